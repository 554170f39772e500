using Grpc.Core;
using Grpc.Net.Client;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class ServersThatStop
{
    [Fact]
    public async Task A_server_that_stops_lets_calls_in_flight_finish()
    {
        await using var server = await TestServer.StartAsync();
        var begun = new TaskCompletionSource();
        var released = new TaskCompletionSource();
        server.Script.Empty = async (request, _) =>
        {
            begun.SetResult();
            await released.Task;
            return request;
        };
        using var conversation = server.Client.Converse();
        await conversation.RequestStream.WriteAsync(new Ask { AnswerBytes = { 1 } });
        Assert.True(await conversation.ResponseStream.MoveNext());
        var call = server.Client.EmptyAsync(new Nothing());
        await begun.Task;

        var stopped = server.StopAsync();

        // The server has heard that it is to stop once it takes no connection any more.
        await UntilRefusedAsync(server.Address);
        Assert.False(stopped.IsCompleted);
        released.SetResult();
        Assert.Equal(new Nothing(), await call);
        await conversation.RequestStream.WriteAsync(new Ask { AnswerBytes = { 2 } });
        Assert.True(await conversation.ResponseStream.MoveNext());
        await conversation.RequestStream.CompleteAsync();
        Assert.False(await conversation.ResponseStream.MoveNext());
        await stopped;
    }

    [Fact]
    public async Task A_channel_finds_its_server_again_after_a_restart()
    {
        var first = await TestServer.StartAsync();
        using var channel = GrpcChannel.ForAddress(first.Address);
        var client = new Interop.Interop.InteropClient(channel);
        await client.EmptyAsync(new Nothing());
        await first.DisposeAsync();

        var e = await Assert.ThrowsAsync<RpcException>(async () => await client.EmptyAsync(new Nothing()));
        await using var second = await TestServer.StartAsync(port: first.Address.Port);

        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
        Assert.Equal(new Nothing(), await client.EmptyAsync(new Nothing()));
    }

    private static async Task UntilRefusedAsync(Uri address)
    {
        for (var e = default(RpcException); e?.StatusCode != StatusCode.Unavailable;)
        {
            using var channel = GrpcChannel.ForAddress(address);
            e = await Assert.ThrowsAnyAsync<RpcException>(async () => await new Absent.AbsentClient(channel).CallAsync(new Nothing()));
        }
    }
}
