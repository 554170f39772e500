using Grpc.Core;
using Grpc.Net.Client;
using Shop.V1;

namespace Integration.Auth;

/// <summary>The keys of the issuer cannot be read: that is no fault of the token.</summary>
public sealed class IssuerOutageTests
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60), PollInterval = TimeSpan.FromMilliseconds(50);

    [Fact]
    public async Task While_the_authority_is_down_a_call_is_UNAVAILABLE_and_then_it_is_checked()
    {
        var issuer = await TestIssuer.StartAsync();
        var (token, address) = (issuer.Issue("ops", isOperator: true), issuer.Address);
        await issuer.DisposeAsync();
        await using var stock = Start(new() { ["Auth__Authority"] = address });
        Assert.Equal((StatusCode.Unavailable, true), await CallAsync(stock, token));
        Assert.Equal((StatusCode.Unauthenticated, false), await CallAsync(stock, null));
    }

    [Fact]
    public async Task While_the_file_has_no_keys_a_call_is_UNAVAILABLE_and_then_it_is_checked()
    {
        await using var issuer = await TestIssuer.StartAsync();
        var keys = File.ReadAllText(issuer.JwksFile);
        await using var stock = Start(new() { ["Auth__Issuer"] = issuer.Address, ["Auth__JwksFile"] = issuer.JwksFile });
        // Without a sidecar the service cannot answer, but the token is accepted.
        Assert.Equal((StatusCode.Unavailable, false), await CallAsync(stock, issuer.Issue("ops", isOperator: true)));
        File.WriteAllText(issuer.JwksFile, "{");
        Assert.Equal((StatusCode.Unavailable, true), await CallAsync(stock, issuer.Issue("ops", isOperator: true)));
        File.WriteAllText(issuer.JwksFile, keys);
        Assert.Equal((StatusCode.Unavailable, false), await CallAsync(stock, issuer.Issue("ops", isOperator: true)));
    }

    private static StockAlone Start(Dictionary<string, string> settings)
    {
        var port = FreePort.Take();
        (settings["APP_PORT"], settings["DAPR_GRPC_PORT"], settings["DAPR_HTTP_PORT"]) = ($"{port}", $"{FreePort.Take()}", $"{FreePort.Take()}");
        settings["HTTP_PORT"] = $"{FreePort.Take()}";
        (settings["Auth__Mode"], settings["Auth__Audience"], settings["APP_API_TOKEN"]) = ("jwt", TestIssuer.Audience, "t");
        settings["OTEL_TRACES_EXPORTER"] = "none";
        return new(ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Stock")], settings), GrpcChannel.ForAddress($"http://localhost:{port}"));
    }

    /// <returns>The status, and whether it says that the keys cannot be read.</returns>
    private static async Task<(StatusCode, bool)> CallAsync(StockAlone stock, string? token)
    {
        var headers = token is null ? new Metadata() : new Metadata { { "authorization", $"Bearer {token}" } };
        for (var until = DateTime.UtcNow + StartTimeout; ; await Task.Delay(PollInterval))
        {
            var refused = await Assert.ThrowsAsync<RpcException>(
                async () => await new StockService.StockServiceClient(stock.Channel).GetProductAsync(new() { ProductId = "p" }, headers));
            // Null: the service has answered.
            if (refused.Status.DebugException is null) return (refused.StatusCode, refused.Status.Detail.Contains("keys of its issuer"));
            Assert.True(DateTime.UtcNow < until, $"{refused} {stock.Process.Output}");
        }
    }

    private sealed record StockAlone(ChildProcess Process, GrpcChannel Channel) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Channel.Dispose();
            await Process.DisposeAsync();
        }
    }
}
