using Google.Protobuf;
using Grpc.Core;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class StreamingCalls
{
    private static readonly int[] Sizes = [31_415, 9, 2_653, 58_979];

    [Fact]
    public async Task A_server_streams_answers_in_order()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Stream(new Ask { AnswerBytes = { Sizes } });

        var received = new List<int>();
        await foreach (var answer in call.ResponseStream.ReadAllAsync())
        {
            received.Add(answer.Payload.Length);
        }

        Assert.Equal(Sizes, received);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_client_streams_asks_and_gets_one_answer()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Collect();

        foreach (var size in Sizes)
        {
            await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[size]) });
        }

        await call.RequestStream.CompleteAsync();

        Assert.Equal(Sizes.Sum(), (await call).ReceivedBytes);
    }

    [Fact]
    public async Task Asks_and_answers_take_turns()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Converse();

        foreach (var size in Sizes)
        {
            await call.RequestStream.WriteAsync(new Ask { AnswerBytes = { size } });
            Assert.True(await call.ResponseStream.MoveNext());
            Assert.Equal(size, call.ResponseStream.Current.Payload.Length);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext());
    }

    [Fact]
    public async Task A_stream_may_be_empty()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Converse();

        await call.RequestStream.CompleteAsync();

        Assert.False(await call.ResponseStream.MoveNext());
        Assert.Equal(Status.DefaultSuccess, call.GetStatus());
    }

    [Fact]
    public async Task A_call_cancelled_before_its_first_ask_is_cancelled()
    {
        await using var server = await TestServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var call = server.Client.Collect(cancellationToken: cancellation.Token);

        await cancellation.CancelAsync();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
    }

    [Fact]
    public async Task A_call_cancelled_after_its_first_answer_is_cancelled()
    {
        await using var server = await TestServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var call = server.Client.Converse(cancellationToken: cancellation.Token);
        await call.RequestStream.WriteAsync(new Ask { AnswerBytes = { 1 } });
        Assert.True(await call.ResponseStream.MoveNext());

        await cancellation.CancelAsync();

        Assert.Equal(
            StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext())).StatusCode);
    }

    [Fact]
    public async Task Disposing_of_a_call_ends_it_and_cancels_the_pending_read()
    {
        await using var server = await TestServer.StartAsync();
        var call = server.Client.Converse();
        await call.RequestStream.WriteAsync(new Ask { AnswerBytes = { 1 } });
        Assert.True(await call.ResponseStream.MoveNext());
        var pending = call.ResponseStream.MoveNext();

        call.Dispose();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => pending)).StatusCode);
        Assert.Equal(StatusCode.Cancelled, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_writer_learns_the_status_with_which_the_server_ended_early()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Collect();
        await call.RequestStream.WriteAsync(new Ask { Status = (int)StatusCode.InvalidArgument, StatusMessage = "enough" });

        var answered = await Assert.ThrowsAsync<RpcException>(async () => await call);
        var written = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new Ask()));

        Assert.Equal("enough", answered.Status.Detail);
        Assert.Equal(StatusCode.InvalidArgument, written.StatusCode);
    }

    [Fact]
    public async Task A_reader_learns_the_status_even_after_a_write_has_failed()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Converse();
        await call.RequestStream.WriteAsync(new Ask { Status = (int)StatusCode.InvalidArgument, StatusMessage = "enough" });

        await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (true)
            {
                await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[1000]) });
            }
        });

        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
    }

    [Fact]
    public async Task Answers_before_a_failure_are_received_before_it()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Stream(new Ask { AnswerBytes = { 1, 2 }, Status = (int)StatusCode.Aborted });

        Assert.True(await call.ResponseStream.MoveNext());
        Assert.True(await call.ResponseStream.MoveNext());

        Assert.Equal(StatusCode.Aborted, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext())).StatusCode);
    }

    [Fact]
    public async Task The_status_of_a_running_call_cannot_be_asked_for()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Converse();

        Assert.Throws<InvalidOperationException>(() => call.GetStatus());
        Assert.Throws<InvalidOperationException>(() => call.GetTrailers());
    }

    [Fact]
    public async Task A_completed_request_stream_takes_no_more()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Collect();
        await call.RequestStream.CompleteAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync(new Ask()));
    }
}
