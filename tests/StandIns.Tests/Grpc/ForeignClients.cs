using StandIns.Daprd;
using StandIns.Interop;

namespace StandIns.GrpcTests;

/// <summary>Clients that nobody here wrote call our server: grpc-js, and the C core by way of Python. Their scripts judge the answers.</summary>
public class ForeignClients
{
    [Theory]
    [InlineData("empty_unary")]
    [InlineData("large_unary")]
    [InlineData("client_streaming")]
    [InlineData("server_streaming")]
    [InlineData("ping_pong")]
    [InlineData("empty_stream")]
    [InlineData("cancel_after_begin")]
    [InlineData("cancel_after_first_response")]
    [InlineData("status_code_and_message")]
    [InlineData("special_status_message")]
    [InlineData("unimplemented_method")]
    [InlineData("unimplemented_service")]
    [InlineData("custom_metadata")]
    [InlineData("compressed_unary")]
    [InlineData("compressed_client_streaming")]
    [InlineData("message_over_the_limit")]
    public async Task The_server_answers_grpc_js(string interopCase)
    {
        await using var server = await TestServer.StartAsync();

        await PlayAsync(Node, server, interopCase);
    }

    [Theory]
    [InlineData("empty_unary")]
    [InlineData("large_unary")]
    [InlineData("client_streaming")]
    [InlineData("server_streaming")]
    [InlineData("ping_pong")]
    [InlineData("empty_stream")]
    [InlineData("cancel_after_first_response")]
    [InlineData("special_status_message")]
    [InlineData("unimplemented")]
    [InlineData("custom_metadata")]
    [InlineData("compressed_unary")]
    [InlineData("unknown_encoding")]
    public async Task The_server_answers_the_C_core(string interopCase)
    {
        await using var server = await TestServer.StartAsync();

        await PlayAsync(Python, server, interopCase);
    }

    [Theory]
    [InlineData(nameof(Node))]
    [InlineData(nameof(Python))]
    public async Task A_sleeping_method_is_told_that_a_foreign_client_has_run_out_of_time(string client)
    {
        await using var server = await TestServer.StartAsync();
        var cancelled = WaitForCancellation(server.Script, headersFirst: false);

        await PlayAsync(client == nameof(Node) ? Node : Python, server, "timeout_on_sleeping_server");

        await cancelled;
    }

    [Fact]
    public async Task A_waiting_method_is_told_that_grpc_js_has_cancelled_it()
    {
        await using var server = await TestServer.StartAsync();
        var cancelled = WaitForCancellation(server.Script, headersFirst: true);

        await PlayAsync(Node, server, "cancel_a_method_that_waits");

        await cancelled;
    }

    private static readonly string[] Node = ["node", "node/interop-client.mjs"];

    // Debian's python3-grpcio belongs to Debian's Python, whichever else is first in the path.
    private static readonly string[] Python = ["/usr/bin/python3", "python/interop_client.py"];

    private static Task WaitForCancellation(InteropScript script, bool headersFirst)
    {
        var cancelled = new TaskCompletionSource();
        script.Empty = async (request, context) =>
        {
            if (headersFirst)
            {
                await context.WriteResponseHeadersAsync([]);
            }

            using var registration = context.CancellationToken.Register(cancelled.SetResult);
            await cancelled.Task;
            return request;
        };
        return cancelled.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static async Task PlayAsync(string[] client, TestServer server, string interopCase)
    {
        await using var process = ChildProcess.Start(client[0], [ForeignPeer.PathOf(client[1]), server.Address.Authority, interopCase]);

        Assert.True(await process.ExitAsync() == 0, process.Output);
    }
}
