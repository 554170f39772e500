using System.Diagnostics;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class UnaryCalls
{
    [Fact]
    public async Task An_empty_message_is_answered_by_an_empty_message()
    {
        await using var server = await TestServer.StartAsync();

        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    [Fact]
    public async Task A_large_message_arrives_whole_both_ways()
    {
        await using var server = await TestServer.StartAsync();

        var answer = await server.Client.UnaryAsync(new Ask { Payload = ByteString.CopyFrom(new byte[271_828]), AnswerBytes = { 314_159 } });

        Assert.Equal(314_159, answer.Payload.Length);
    }

    [Fact]
    public async Task Asking_twice_gets_the_same_answer()
    {
        await using var server = await TestServer.StartAsync();
        var ask = new Ask { AnswerBytes = { 3 } };

        Assert.Equal(await server.Client.UnaryAsync(ask), await server.Client.UnaryAsync(ask));
    }

    [Fact]
    public async Task A_blocking_call_gets_the_answer_too()
    {
        await using var server = await TestServer.StartAsync();

        Assert.Equal(7, server.Client.Unary(new Ask { AnswerBytes = { 7 } }).Payload.Length);
    }

    [Fact]
    public async Task The_trace_of_the_caller_goes_with_the_call()
    {
        await using var server = await TestServer.StartAsync();
        string? parent = null;
        server.Script.Empty = (request, context) =>
        {
            parent = context.RequestHeaders.GetValue("traceparent");
            return Task.FromResult(request);
        };
        using var activity = new Activity("caller").SetIdFormat(ActivityIdFormat.W3C).Start();

        await server.Client.EmptyAsync(new Nothing());

        Assert.Contains(activity.TraceId.ToString(), parent);
    }

    [Fact]
    public async Task Many_calls_at_once_each_get_their_own_answer()
    {
        await using var server = await TestServer.StartAsync();

        var answers = await Task.WhenAll(
            Enumerable.Range(0, 500).Select(async size => (size, await server.Client.UnaryAsync(new Ask { AnswerBytes = { size } }))));

        Assert.All(answers, answer => Assert.Equal(answer.size, answer.Item2.Payload.Length));
    }

    [Fact]
    public async Task Calls_that_are_given_up_at_any_moment_leave_the_others_as_they_are()
    {
        await using var server = await TestServer.StartAsync();
        var chance = new Random(20_251);
        var plans = Enumerable.Range(0, 3000).Select(_ => (Size: chance.Next(60_000), Spins: chance.Next(20_000), Way: chance.Next(4))).ToList();

        async Task PlayAsync((int Size, int Spins, int Way) plan)
        {
            using var cancellation = new CancellationTokenSource();
            var ask = new Ask { Payload = ByteString.CopyFrom(new byte[plan.Size / 2]), AnswerBytes = { plan.Size, plan.Size / 3 } };
            using var unary = plan.Way < 3 ? server.Client.UnaryAsync(ask, cancellationToken: cancellation.Token) : null;
            using var stream = plan.Way == 3 ? server.Client.Stream(ask, cancellationToken: cancellation.Token) : null;
            switch (plan.Way)
            {
                case 0:
                    Thread.SpinWait(plan.Spins);
                    await cancellation.CancelAsync();
                    break;
                case 1:
                    Thread.SpinWait(plan.Spins);
                    break;
                case 2:
                    Assert.Equal(plan.Size, (await unary!).Payload.Length);
                    break;
                default:
                    Assert.True(await stream!.ResponseStream.MoveNext());
                    Assert.Equal(plan.Size, stream.ResponseStream.Current.Payload.Length);
                    break;
            }
        }

        await Parallel.ForEachAsync(plans, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (plan, _) => await PlayAsync(plan));

        Assert.Equal(7, (await server.Client.UnaryAsync(new Ask { AnswerBytes = { 7 } })).Payload.Length);
    }

    [Theory]
    [InlineData(1001)]
    [InlineData(8 * 1024 * 1024)]
    public async Task A_request_over_the_servers_limit_exhausts_a_resource(int size)
    {
        await using var server = await TestServer.StartAsync(grpc => grpc.MaxReceiveMessageSize = 1000);

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.UnaryAsync(new Ask { Payload = ByteString.CopyFrom(new byte[size]) }));

        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_response_over_the_servers_limit_exhausts_a_resource()
    {
        await using var server = await TestServer.StartAsync(grpc => grpc.MaxSendMessageSize = 1000);

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.UnaryAsync(new Ask { AnswerBytes = { 1001 } }));

        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_response_over_the_clients_limit_exhausts_a_resource()
    {
        await using var server = await TestServer.StartAsync();

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.UnaryAsync(new Ask { AnswerBytes = { 4 * 1024 * 1024 } }));

        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_request_over_the_clients_limit_is_not_sent()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { MaxSendMessageSize = 1000 });

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await new Interop.Interop.InteropClient(channel).UnaryAsync(new Ask { Payload = ByteString.CopyFrom(new byte[1001]) }));

        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_message_larger_than_the_default_passes_where_both_sides_allow_it()
    {
        await using var server = await TestServer.StartAsync(grpc => grpc.MaxReceiveMessageSize = null);
        using var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { MaxReceiveMessageSize = null });
        var size = 8 * 1024 * 1024;

        var answer = await new Interop.Interop.InteropClient(channel).UnaryAsync(
            new Ask { Payload = ByteString.CopyFrom(new byte[size]), AnswerBytes = { size } });

        Assert.Equal(size, answer.Payload.Length);
    }
}
