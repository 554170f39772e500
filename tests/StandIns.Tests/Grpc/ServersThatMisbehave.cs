using Grpc.Core;
using StandIns.Interop;

namespace StandIns.GrpcTests;

/// <summary>Our client and frames that a server may send instead of a decent answer.</summary>
public class ServersThatMisbehave
{
    [Fact]
    public async Task A_hand_written_answer_is_an_answer()
    {
        await using var server = new HandWrittenServer(call => call.AnswerAsync());

        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    [Theory]
    [InlineData(0x0, StatusCode.Internal)]
    [InlineData(0x1, StatusCode.Internal)]
    [InlineData(0x2, StatusCode.Internal)]
    [InlineData(0x3, StatusCode.Internal)]
    [InlineData(0x4, StatusCode.Internal)]
    [InlineData(0x6, StatusCode.Internal)]
    [InlineData(0x7, StatusCode.Unavailable)]
    [InlineData(0x8, StatusCode.Cancelled)]
    [InlineData(0x9, StatusCode.Internal)]
    [InlineData(0xa, StatusCode.Internal)]
    [InlineData(0xb, StatusCode.ResourceExhausted)]
    [InlineData(0xc, StatusCode.PermissionDenied)]
    public async Task A_reset_means_what_the_protocol_says(int code, StatusCode expected)
    {
        await using var before = new HandWrittenServer(call => call.ResetAsync(code));
        await using var within = new HandWrittenServer(async call =>
        {
            await call.HeadersAsync();
            await call.BodyAsync(0, 0, 0);
            await call.ResetAsync(code);
        });

        Assert.Equal(expected, (await FailureAsync(before)).StatusCode);
        Assert.Equal(expected, (await FailureAsync(within)).StatusCode);
    }

    [Fact]
    public async Task An_answer_that_comes_before_a_reset_without_error_counts()
    {
        await using var server = new HandWrittenServer(async call =>
        {
            await call.AnswerAsync();
            await call.ResetAsync(0);
        });

        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    [Fact]
    public async Task A_call_that_the_server_still_answers_survives_its_going_away_and_the_next_one_reconnects()
    {
        await using var server = new HandWrittenServer(async call =>
        {
            await call.GoAwayAsync(last: call.Stream);
            await call.AnswerAsync();
        });

        await server.Client.EmptyAsync(new Nothing());
        await server.Client.EmptyAsync(new Nothing());

        Assert.Equal(2, server.Connections);
    }

    [Fact]
    public async Task A_call_that_a_server_going_away_has_not_looked_at_is_made_again()
    {
        await using var server = new HandWrittenServer(
            call => call.Connection == 1 ? call.GoAwayAsync(last: 0) : call.AnswerAsync());

        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
        Assert.Equal(2, server.Connections);
    }

    [Fact]
    public async Task A_connection_that_breaks_during_a_call_makes_it_unavailable_and_the_next_one_reconnects()
    {
        await using var server = new HandWrittenServer(async call =>
        {
            if (call.Connection > 1)
            {
                await call.AnswerAsync();
                return;
            }

            await call.HeadersAsync();
            call.Frames.Dispose();
        });

        Assert.Equal(StatusCode.Unavailable, (await FailureAsync(server)).StatusCode);
        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    [Fact]
    public async Task An_answer_without_a_status_is_no_success()
    {
        await using var server = new HandWrittenServer(async call =>
        {
            await call.HeadersAsync();
            await call.BodyAsync(0, 0, 0, 0, 0);
            await call.TrailersAsync(("x-other", "1"));
        });

        Assert.Equal("No grpc-status found on response.", (await FailureAsync(server)).Status.Detail);
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 9, 1 })]
    [InlineData(new byte[] { 2, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 1, 0xff })]
    [InlineData(new byte[] { 1, 0, 0, 0, 1, 42 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { })]
    public async Task A_body_that_is_not_one_message_is_internal(byte[] body)
    {
        await using var server = new HandWrittenServer(async call =>
        {
            await call.HeadersAsync();
            await call.BodyAsync(body);
            await call.TrailersAsync(("grpc-status", "0"));
        });

        Assert.Equal(StatusCode.Internal, (await FailureAsync(server)).StatusCode);
    }

    [Fact]
    public async Task Pings_come_only_where_the_strictest_server_allows_them()
    {
        await using var server = new HandWrittenServer(call => call.AnswerAsync());

        for (var i = 0; i < 300; i++)
        {
            await server.Client.EmptyAsync(new Nothing());
        }

        // daprd, like every server in Go, goes away after the third.
        Assert.InRange(server.Strikes, 0, 2);
        Assert.Equal(1, server.Connections);
    }

    private static Task<RpcException> FailureAsync(HandWrittenServer server) =>
        Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing()));
}
