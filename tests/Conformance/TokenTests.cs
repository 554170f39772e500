using System.Net;
using Grpc.Core;

namespace Conformance;

/// <summary>The two tokens: what callers show to a sidecar, and what a sidecar shows to its app.</summary>
public sealed class TokenTests : IAsyncLifetime
{
    private static readonly Metadata Shown = new() { { "dapr-api-token", "to-sidecar" } };

    private static readonly Dictionary<string, string> Tokens = new() { ["DAPR_API_TOKEN"] = "to-sidecar", ["APP_API_TOKEN"] = "to-app" };

    private Metadata? _discovery;
    private TestApp _app = null!;
    private Sidecar _sidecar = null!;

    public async Task InitializeAsync()
    {
        _app = await TestApp.StartAsync(TestApp.Wants("pubsub", "news"), TestApp.WantsInBulk("pubsub", "bulk"));
        _app.OnDiscovery = headers => _discovery = headers;
        _sidecar = await Sidecar.StartAsync(Sidecar.FreshId("app"), Yaml.Component("pubsub", "pubsub.in-memory"), _app.Port, environment: Tokens);
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
        Assert.True(failure.HasReason("missing api token in request metadata"));
        var wrong = await Failure.OfAsync(() => _sidecar.Dapr.PublishAsync("news", "1", headers: new Metadata { { "dapr-api-token", "wrong" } }));
        Assert.True(wrong.HasReason("authentication error: api token mismatch"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _sidecar.Http.GetAsync("/v1.0/metadata")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await _sidecar.Http.GetAsync("/v1.0/healthz/outbound")).StatusCode);
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
        var call = new Echo.EchoClient(_sidecar.Channel).SayAsync(new EchoMessage(), new Metadata { { "dapr-app-id", _sidecar.AppId }, { "dapr-api-token", "to-sidecar" } });
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }

    [Fact]
    public async Task A_batch_shows_the_apps_token_and_the_question_what_the_app_hears_does_not()
    {
        await _sidecar.Dapr.PublishAsync("bulk", "1", headers: Shown);
        Assert.Equal("to-app", (await _app.NextBatchAsync()).Headers.GetValue("dapr-api-token"));
        Assert.Null(_discovery!.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task Sidecars_call_each_others_apps_though_each_wants_a_token()
    {
        await using var caller = await Sidecar.StartAsync(Sidecar.FreshId("caller"), "", environment: Tokens);
        var call = new Echo.EchoClient(caller.Channel).SayAsync(new EchoMessage(), [.. Shown, new("dapr-app-id", _sidecar.AppId)]);
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }
}
