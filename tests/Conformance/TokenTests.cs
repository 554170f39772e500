using System.Net;
using Grpc.Core;

namespace Conformance;

/// <summary>The API token, which clients send to a sidecar, and the app token, which the sidecar sends to its app.</summary>
public sealed class TokenTests : IAsyncLifetime
{
    private static readonly Metadata Shown = new() { { "dapr-api-token", "to-sidecar" } };

    private static readonly Dictionary<string, string> Tokens = new() { ["DAPR_API_TOKEN"] = "to-sidecar", ["APP_API_TOKEN"] = "to-app" };

    private Metadata? discovery;
    private TestApp app = null!;
    private Sidecar sidecar = null!;

    public async Task InitializeAsync()
    {
        app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "news"), TestApp.BulkSubscription("pubsub", "bulk"));
        app.OnDiscovery = headers => discovery = headers;
        sidecar = await Sidecar.StartAsync(Sidecar.FreshId("app"), Yaml.Component("pubsub", "pubsub.in-memory"), app.Port, environment: Tokens);
    }

    public async Task DisposeAsync()
    {
        await sidecar.DisposeAsync();
        await app.DisposeAsync();
    }

    [Fact]
    public async Task A_call_without_the_api_token_is_unauthenticated()
    {
        var failure = await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("news", "1"));
        Assert.Equal((StatusCode.Unauthenticated, "Unauthorized"), (failure.StatusCode, failure.Status.Detail));
        var wrong = await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("news", "1", headers: new Metadata { { "dapr-api-token", "wrong" } }));
        Assert.Equal(StatusCode.Unauthenticated, wrong.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await sidecar.Http.GetAsync("/v1.0/metadata")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await sidecar.Http.GetAsync("/v1.0/healthz/outbound")).StatusCode);
    }

    [Fact]
    public async Task The_app_token_is_sent_with_events()
    {
        await sidecar.Dapr.PublishAsync("news", "1", headers: Shown);
        Assert.Equal("to-app", (await app.NextAsync()).Headers.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task A_proxied_call_has_the_app_token_instead_of_the_api_token()
    {
        var call = new Echo.EchoClient(sidecar.Channel).SayAsync(
            new EchoMessage(), new Metadata { { "dapr-app-id", sidecar.AppId }, { "dapr-api-token", "to-sidecar" } });
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }

    [Fact]
    public async Task The_app_token_is_sent_with_batches_and_not_with_subscription_discovery()
    {
        await sidecar.Dapr.PublishAsync("bulk", "1", headers: Shown);
        Assert.Equal("to-app", (await app.NextBatchAsync()).Headers.GetValue("dapr-api-token"));
        Assert.Null(discovery!.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task A_call_between_two_sidecars_with_api_tokens_succeeds()
    {
        await using var caller = await Sidecar.StartAsync(Sidecar.FreshId("caller"), "", environment: Tokens);
        var call = new Echo.EchoClient(caller.Channel).SayAsync(new EchoMessage(), [.. Shown, new("dapr-app-id", sidecar.AppId)]);
        await call;
        Assert.Equal("to-app", call.GetTrailers().GetValue("saw-dapr-api-token"));
    }
}
