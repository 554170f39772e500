using System.Net;
using Grpc.Core;

namespace StandIns.Daprd;

/// <summary>The two tokens: what callers show to a sidecar, and what a sidecar shows to its app.</summary>
public sealed class TokenTests : IAsyncLifetime
{
    private static readonly Metadata Shown = new() { { "dapr-api-token", "to-sidecar" } };

    private TestApp _app = null!;
    private Sidecar _sidecar = null!;

    public async Task InitializeAsync()
    {
        _app = await TestApp.StartAsync(TestApp.Wants("pubsub", "news"));
        _sidecar = await Sidecar.StartAsync(
            "app", Yaml.Component("pubsub", "pubsub.in-memory"), _app.Port,
            environment: new Dictionary<string, string> { ["DAPR_API_TOKEN"] = "to-sidecar", ["APP_API_TOKEN"] = "to-app" });
    }

    public async Task DisposeAsync()
    {
        await _sidecar.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task A_call_without_the_token_is_unauthenticated()
    {
        var failure = await Failure.OfAsync(() => _sidecar.Dapr.PublishAsync("news", "1"));
        Assert.Equal((StatusCode.Unauthenticated, "Unauthorized"), (failure.StatusCode, failure.Status.Detail));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _sidecar.Http.GetAsync("/v1.0/metadata")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await _sidecar.Http.GetAsync("/v1.0/healthz")).StatusCode);
    }

    [Fact]
    public async Task An_event_shows_the_apps_token()
    {
        await _sidecar.Dapr.PublishAsync("news", "1", headers: Shown);
        Assert.Equal("to-app", (await _app.NextAsync()).Headers.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task A_proxied_call_loses_the_callers_token_and_shows_the_apps()
    {
        var call = new Echo.EchoClient(_sidecar.Channel).SayAsync(new EchoMessage(), new Metadata { { "dapr-app-id", "app" }, { "dapr-api-token", "to-sidecar" } });
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }
}
