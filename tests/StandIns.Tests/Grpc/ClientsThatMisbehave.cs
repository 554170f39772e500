using System.Globalization;
using System.Text;
using Grpc.Core;
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
    [InlineData("Unary", StatusCode.Internal)]
    [InlineData("Stream", StatusCode.Internal)]
    [InlineData("Collect", StatusCode.OK)]
    [InlineData("Converse", StatusCode.OK)]
    public async Task A_call_half_closed_with_its_headers_is_answered_with_the_right_status(string method, StatusCode expected)
    {
        await using var server = await TestServer.StartAsync();
        using var client = await ConnectAsync(server);
        // Then it writes all header fields in full.
        await client.WriteAsync(Settings, 0, 0, Setting(1, 0));

        await client.WriteAsync(Headers, EndHeaders | EndStream, 1, Call(method));

        Assert.Equal(expected, await StatusAsync(client));
        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    [Theory]
    [InlineData(":path")]
    [InlineData(":method")]
    [InlineData(":scheme")]
    public async Task A_request_that_lacks_what_every_request_has_is_refused_and_the_server_lives_on(string missing)
    {
        await using var server = await TestServer.StartAsync();
        using var client = await ConnectAsync(server);

        await client.WriteAsync(Headers, EndHeaders | EndStream, 1, Call("Empty", without: missing));

        Assert.True(await IsRefusedAsync(client));
        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
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

    private static byte[] Call(string method, string? without = null) => Fields([.. new[]
    {
        (":method", "POST"), (":scheme", "http"), (":path", $"/standins.interop.Interop/{method}"), (":authority", "test"),
        ("content-type", "application/grpc"), ("te", "trailers"),
    }.Where(field => field.Item1 != without)]);

    /// <summary>The status that the server tells first.</summary>
    private static async Task<StatusCode> StatusAsync(Http2Frames client)
    {
        while (await client.ReadAsync() is var (type, _, _, payload))
        {
            var fields = Encoding.Latin1.GetString(payload);
            if (type == Headers && fields.IndexOf("grpc-status", StringComparison.Ordinal) is >= 0 and var place)
            {
                var value = fields[(place + "grpc-status".Length)..];
                return (StatusCode)int.Parse(value.AsSpan(1, value[0]), CultureInfo.InvariantCulture);
            }
        }

        throw new IOException("The server closed the connection.");
    }

    /// <summary>Whether the server resets the stream or ends the connection, before it answers anything.</summary>
    private static async Task<bool> IsRefusedAsync(Http2Frames client)
    {
        while (await client.ReadAsync() is var (type, _, _, _))
        {
            if (type is RstStream or GoAway or Headers)
            {
                return type != Headers;
            }
        }

        return true;
    }

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
