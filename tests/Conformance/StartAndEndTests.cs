using System.Net;
using System.Text.Json;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;

namespace Conformance;

/// <summary>A sidecar without its app, subscription discovery, and shutdown.</summary>
public sealed class StartAndEndTests : IAsyncLifetime
{
    private const string Declared = """
        ---
        apiVersion: dapr.io/v2alpha1
        kind: Subscription
        metadata: {name: declared}
        spec: {pubsubname: pubsub, topic: declared, routes: {default: /declared}}
        """;

    private RedisServer redis = null!;

    public async Task InitializeAsync() => redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await redis.DisposeAsync();

    [Fact]
    public async Task Without_its_app_a_sidecar_serves_components_but_is_not_initialized()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await app.StopAsync();
        await using var sidecar = Sidecar.Launch("app", PubSub(), app.Port);
        await sidecar.ServesAsync();
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.DoesNotContain("dapr initialized", sidecar.Process.Output);
        await app.StartAsync();
        await sidecar.ReadyAsync();
        Assert.Equal("1", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Without_an_app_port_declarative_subscriptions_are_listed_and_not_started()
    {
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + Declared);
        Assert.Equal("declared", Assert.Single((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions).Topic);
        Assert.False(await redis.Database.KeyExistsAsync("declared"));
    }

    [Fact]
    public async Task An_app_without_subscription_discovery_has_only_declarative_subscriptions()
    {
        await using var app = await TestApp.StartAsync();
        app.OnDiscovery = _ => throw new RpcException(new Status(StatusCode.Unimplemented, "configured by the test"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + Declared, app.Port);
        await sidecar.Dapr.PublishAsync("declared", "1");
        Assert.Equal("/declared", (await app.NextAsync("declared")).Event.Path);
    }

    [Fact]
    public async Task After_four_failed_discovery_attempts_there_are_no_subscriptions()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var asked = 0;
        app.OnDiscovery = _ =>
        {
            asked++;
            throw new RpcException(new Status(StatusCode.Internal, "configured by the test"));
        };
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + Declared, app.Port);
        Assert.Equal(4, asked);
        Assert.Equal("declared", Assert.Single((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions).Topic);
        Assert.False(await redis.Database.KeyExistsAsync("declared"));
    }

    [Fact]
    public async Task A_topic_outside_the_subscription_scopes_is_not_subscribed()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "theirs"), TestApp.Subscription("pubsub", "mine"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(("subscriptionScopes", "app=mine;other=theirs")), app.Port);
        await sidecar.Dapr.PublishAsync("theirs", "1");
        await sidecar.Dapr.PublishAsync("mine", "2");
        Assert.Equal("mine", (await app.NextAsync()).Event.Topic);
        Assert.Empty((RedisResult[])(await redis.Database.ExecuteAsync("XINFO", "GROUPS", "theirs"))!);
    }

    [Fact]
    public async Task Shutdown_waits_for_the_running_event_and_leaves_queued_ones_pending()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(("concurrency", "1")), app.Port, ["--dapr-graceful-shutdown-seconds", "30"]);
        await sidecar.Dapr.PublishAsync("work", "1");
        await sidecar.Dapr.PublishAsync("work", "2");
        await app.NextAsync("work");
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("work", "app") == 2);
        sidecar.Process.Signal("TERM");
        await sidecar.LogsAsync("shutting down");
        await redis.Database.ExecuteAsync("XADD", "work", "*", "data", """{"id":"late","datacontenttype":"application/json","data":3}""");
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("work", "app") == 3);
        Assert.False(sidecar.Process.Ended.IsCompleted);
        held.SetResult(new TopicEventResponse());
        Assert.Equal(0, await sidecar.Process.ExitAsync());
        Assert.Equal(2, await redis.Database.PendingAsync("work", "app"));
    }

    [Fact]
    public async Task Shutdown_leaves_slow_and_failed_events_pending()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        await using (var slow = await Sidecar.StartAsync("app", PubSub(), app.Port, ["--dapr-graceful-shutdown-seconds", "1"]))
        {
            await slow.Dapr.PublishAsync("work", "1");
            await app.NextAsync("work");
            slow.Process.Signal("TERM");
            Assert.Equal(1, await slow.Process.ExitAsync());
        }

        Assert.Equal(1, await redis.Database.PendingAsync("work", "app"));
        await using var failing = await Sidecar.StartAsync("app", PubSub(), app.Port, ["--dapr-graceful-shutdown-seconds", "30"]);
        await failing.Dapr.PublishAsync("work", "2");
        await app.NextAsync("work");
        failing.Process.Signal("TERM");
        await failing.LogsAsync("shutting down");
        held.SetException(new RpcException(new Status(StatusCode.Unavailable, "configured by the test")));
        Assert.Equal(0, await failing.Process.ExitAsync());
        Assert.Equal(2, await redis.Database.PendingAsync("work", "app"));
    }

    [Theory]
    [InlineData("grpc", false)]
    [InlineData("grpc", true)]
    [InlineData("http", false)]
    [InlineData("http", true)]
    public async Task A_shutdown_request_ends_the_sidecar_with_exit_code_1_if_forced(string protocol, bool forced)
    {
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.in-memory"));
        if (protocol == "grpc") await sidecar.Dapr.ShutdownAsync(new ShutdownRequest(), forced ? new Metadata { { "dapr-force-shutdown", "true" } } : null);
        else
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1.0/shutdown");
            if (forced) request.Headers.Add("dapr-force-shutdown", "true");
            Assert.Equal(HttpStatusCode.NoContent, (await sidecar.Http.SendAsync(request)).StatusCode);
        }

        Assert.Equal(forced ? 1 : 0, await sidecar.Process.ExitAsync());
    }

    [Fact]
    public async Task Metadata_contains_the_health_check_settings()
    {
        await using var app = await TestApp.StartAsync();
        string[] checks = ["--enable-app-health-check", "--app-health-probe-interval", "2", "--app-health-probe-timeout", "250", "--app-health-threshold", "4"];
        await using var sidecar = await Sidecar.StartAsync("app", "", app.Port, checks);
        var health = (await sidecar.Dapr.GetMetadataAsync(new())).AppConnectionProperties.Health;
        Assert.Equal(("2s", "250ms", 4), (health.HealthProbeInterval, health.HealthProbeTimeout, health.HealthThreshold));
        using var json = JsonDocument.Parse(await sidecar.Http.GetStringAsync("/v1.0/metadata"));
        Assert.Equal("2s", json.RootElement.GetProperty("appConnectionProperties").GetProperty("health").GetProperty("healthProbeInterval").GetString());
    }

    private string PubSub(params (string Name, string Value)[] metadata) => Yaml.Redis("pubsub", "pubsub.redis", redis, metadata);
}
