using StandIns.Interop;
using static StandIns.GrpcTests.Http2Frames;

namespace StandIns.GrpcTests;

/// <summary>Our server and frames that no HTTP client library sends.</summary>
public class ClientsThatMisbehave
{
    [Fact]
    public async Task Endless_headers_end_the_connection_and_the_server_lives_on()
    {
        await using var server = await TestServer.StartAsync();
        using var client = await ConnectAsync(server);
        var more = Fields([.. Enumerable.Repeat(("x-more", new string('x', 100)), 100)]);

        await client.WriteAsync(Headers, 0, 1, Call("Empty"));
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            for (var sent = 0; sent < 100_000_000; sent += more.Length)
            {
                await client.WriteAsync(Continuation, 0, 1, more);
            }
        });

        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    [Fact]
    public async Task A_stream_reset_in_the_middle_of_a_message_leaves_its_connection_as_it_was()
    {
        await using var server = await TestServer.StartAsync();
        using var client = await ConnectAsync(server);

        await client.WriteAsync(Headers, EndHeaders, 1, Call("Unary"));
        await client.WriteAsync(Data, 0, 1, [0, 0, 0, 0, 9, 1, 2]);
        await client.WriteAsync(RstStream, 0, 1, Number(8));
        await client.WriteAsync(Headers, EndHeaders, 3, Call("Unary"));
        await client.WriteAsync(Data, EndStream, 3, [0, 0, 0, 0, 0]);

        Assert.Equal(3, await EndedStreamAsync(client));
    }

    [Fact]
    public async Task A_reset_cancels_the_method()
    {
        await using var server = await TestServer.StartAsync();
        using var client = await ConnectAsync(server);
        var begun = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        server.Script.Empty = async (request, context) =>
        {
            using var registration = context.CancellationToken.Register(cancelled.SetResult);
            begun.SetResult();
            await cancelled.Task;
            return request;
        };

        await client.WriteAsync(Headers, EndHeaders, 1, Call("Empty"));
        await client.WriteAsync(Data, EndStream, 1, [0, 0, 0, 0, 0]);
        await begun.Task;
        await client.WriteAsync(RstStream, 0, 1, Number(8));

        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData("Unary")]
    [InlineData("Collect")]
    [InlineData("Converse")]
    public async Task A_call_half_closed_with_its_headers_is_answered(string method)
    {
        await using var server = await TestServer.StartAsync();
        using var client = await ConnectAsync(server);

        await client.WriteAsync(Headers, EndHeaders | EndStream, 1, Call(method));

        Assert.Equal(1, await EndedStreamAsync(client));
    }

    [Fact]
    public async Task A_client_that_vanishes_cancels_the_method()
    {
        await using var server = await TestServer.StartAsync();
        var begun = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        server.Script.Empty = async (request, context) =>
        {
            using var registration = context.CancellationToken.Register(cancelled.SetResult);
            begun.SetResult();
            await cancelled.Task;
            return request;
        };

        using (var client = await ConnectAsync(server))
        {
            await client.WriteAsync(Headers, EndHeaders, 1, Call("Empty"));
            await client.WriteAsync(Data, EndStream, 1, [0, 0, 0, 0, 0]);
            await begun.Task;
        }

        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static Task<Http2Frames> ConnectAsync(TestServer server) => Http2Frames.ConnectAsync(server.Address);

    private static byte[] Call(string method) => Fields(
        (":method", "POST"), (":scheme", "http"), (":path", $"/standins.interop.Interop/{method}"), (":authority", "test"),
        ("content-type", "application/grpc"), ("te", "trailers"));

    /// <summary>The first stream that the server ends, well or not.</summary>
    private static async Task<int> EndedStreamAsync(Http2Frames client)
    {
        while (await client.ReadAsync() is var (type, flags, stream, _))
        {
            if (type is Headers or Data && (flags & EndStream) != 0)
            {
                return stream;
            }
        }

        throw new IOException("The server closed the connection.");
    }
}
