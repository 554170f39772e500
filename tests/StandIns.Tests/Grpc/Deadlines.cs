using System.Globalization;
using Grpc.Core;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class Deadlines
{
    [Theory]
    [InlineData("200000000S", 0)]
    [InlineData("20000000u", 20)]
    [InlineData("20000m", 20)]
    [InlineData("20S", 20)]
    [InlineData("20M", 1200)]
    [InlineData("20H", 72_000)]
    [InlineData("20x", 0)]
    [InlineData("-20S", 0)]
    [InlineData("S", 0)]
    public async Task A_server_understands_a_timeout_in_every_unit(string timeout, double seconds)
    {
        await using var server = await TestServer.StartAsync();
        var deadline = new TaskCompletionSource<DateTime>();
        server.Script.Empty = (request, context) =>
        {
            deadline.SetResult(context.Deadline);
            return Task.FromResult(request);
        };

        // Said as metadata, it is a header like any other.
        var began = DateTime.UtcNow;
        var call = server.Client.EmptyAsync(new Nothing(), new Metadata { { "grpc-timeout", timeout } });

        await call;

        if (seconds == 0)
        {
            Assert.Equal(DateTime.MaxValue, await deadline.Task);
        }
        else
        {
            Assert.InRange(await deadline.Task, began.AddSeconds(seconds), DateTime.UtcNow.AddSeconds(seconds));
        }
    }

    [Theory]
    [InlineData("50000000n")]
    [InlineData("50000u")]
    [InlineData("50m")]
    [InlineData("0S")]
    public async Task A_server_answers_when_the_time_is_over(string timeout)
    {
        await using var server = await TestServer.StartAsync();
        server.Script.Empty = async (request, context) =>
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return request;
        };

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.EmptyAsync(new Nothing(), new Metadata { { "grpc-timeout", timeout } }));

        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
    }

    [Theory]
    [InlineData(20, 'm')]
    [InlineData(99_000, 'm')]
    [InlineData(200_000, 'S')]
    [InlineData(200_000_000, 'M')]
    [InlineData(7_000_000_000, 'H')]
    public async Task A_client_tells_its_deadline_in_the_finest_unit_that_holds_it(double seconds, char unit)
    {
        await using var server = await TestServer.StartAsync();
        var said = "";
        server.Script.Empty = (request, context) =>
        {
            said = context.GetHttpContext().Request.Headers["grpc-timeout"].ToString();
            return Task.FromResult(request);
        };

        await server.Client.EmptyAsync(new Nothing(), deadline: DateTime.UtcNow.AddSeconds(seconds));

        var inSeconds = unit switch { 'm' => 0.001, 'S' => 1, 'M' => 60, _ => 3600.0 };
        Assert.Equal(unit, said[^1]);
        Assert.InRange(said.Length, 2, 9);
        Assert.InRange(long.Parse(said.AsSpan(0, said.Length - 1), CultureInfo.InvariantCulture) * inSeconds, seconds - 20, seconds + inSeconds);
    }

    [Fact]
    public async Task A_stream_past_its_deadline_ends_on_both_sides()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Converse(deadline: DateTime.UtcNow.AddMilliseconds(500));
        await call.RequestStream.WriteAsync(new Ask { AnswerBytes = { 1 } });
        Assert.True(await call.ResponseStream.MoveNext());

        var read = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());
        var written = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new Ask()));

        Assert.Equal((StatusCode.DeadlineExceeded, StatusCode.DeadlineExceeded), (read.StatusCode, written.StatusCode));
    }
}
