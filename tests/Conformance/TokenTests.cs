using System.Net;
using Grpc.Core;

namespace Conformance;

/// <summary>The two tokens: what callers show to a sidecar, and what a sidecar shows to its app.</summary>
public sealed class TokenTests : IAsyncLifetime
{
    private static readonly Metadata Shown = new() { { "dapr-api-token", "to-sidecar" } };

    private static readonly Dictionary<string, string> Tokens = new() { ["DAPR_API_TOKEN"] = "to-sidecar", ["APP_API_TOKEN"] = "to-app" };

    private Metadata? discovery;
    private TestApp app = null!;
    private Sidecar sidecar = null!;

    public async Task InitializeAsync()
    {
        app = await TestApp.StartAsync(TestApp.Wants("pubsub", "news"), TestApp.WantsInBulk("pubsub", "bulk"));
        app.OnDiscovery = headers => discovery = headers;
        sidecar = await Sidecar.StartAsync(Sidecar.FreshId("app"), Yaml.Component("pubsub", "pubsub.in-memory"), app.Port, environment: Tokens);
    }

    public async Task DisposeAsync()
    {
        await sidecar.DisposeAsync();
        await app.DisposeAsync();
    }

    [Fact]
    public async Task A_call_without_the_token_is_unauthenticated()
    {
        var failure = await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("news", "1"));
        Assert.Equal((StatusCode.Unauthenticated, "Unauthorized"), (failure.StatusCode, failure.Status.Detail));
        Assert.True(failure.HasReason("missing api token in request metadata"));
        var wrong = await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("news", "1", headers: new Metadata { { "dapr-api-token", "wrong" } }));
        Assert.True(wrong.HasReason("authentication error: api token mismatch"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await sidecar.Http.GetAsync("/v1.0/metadata")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await sidecar.Http.GetAsync("/v1.0/healthz/outbound")).StatusCode);
    }

    [Fact]
    public async Task An_event_shows_the_apps_token()
    {
        await sidecar.Dapr.PublishAsync("news", "1", headers: Shown);
        Assert.Equal("to-app", (await app.NextAsync()).Headers.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task A_proxied_call_loses_the_callers_token_and_shows_the_apps()
    {
        var call = new Echo.EchoClient(sidecar.Channel).SayAsync(new EchoMessage(), new Metadata { { "dapr-app-id", sidecar.AppId }, { "dapr-api-token", "to-sidecar" } });
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }

    [Fact]
    public async Task A_batch_shows_the_apps_token_and_the_question_what_the_app_hears_does_not()
    {
        await sidecar.Dapr.PublishAsync("bulk", "1", headers: Shown);
        Assert.Equal("to-app", (await app.NextBatchAsync()).Headers.GetValue("dapr-api-token"));
        Assert.Null(discovery!.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task Sidecars_call_each_others_apps_though_each_wants_a_token()
    {
        await using var caller = await Sidecar.StartAsync(Sidecar.FreshId("caller"), "", environment: Tokens);
        var call = new Echo.EchoClient(caller.Channel).SayAsync(new EchoMessage(), [.. Shown, new("dapr-app-id", sidecar.AppId)]);
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }
}
