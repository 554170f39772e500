using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;

namespace Conformance;

/// <summary>A sidecar without its app, subscription discovery, and shutdown.</summary>
public sealed class StartAndEndTests : OnOwnRedis
{
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
    public async Task An_app_without_subscription_discovery_has_no_subscriptions()
    {
        await using var app = await TestApp.StartAsync();
        app.OnDiscovery = _ => throw new RpcException(new Status(StatusCode.Unimplemented, "configured by the test"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(), app.Port);
        Assert.Empty((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions);
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
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(), app.Port);
        Assert.Equal(4, asked);
        Assert.Empty((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions);
    }

    [Fact]
    public async Task A_topic_outside_the_subscription_scopes_is_not_subscribed()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "theirs"), TestApp.Subscription("pubsub", "mine"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(("subscriptionScopes", "app=mine;other=theirs")), app.Port);
        await sidecar.Dapr.PublishAsync("theirs", "1");
        await sidecar.Dapr.PublishAsync("mine", "2");
        Assert.Equal("mine", (await app.NextAsync()).Event.Topic);
        Assert.Empty((RedisResult[])(await Redis.Database.ExecuteAsync("XINFO", "GROUPS", "theirs"))!);
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
        await Poll.UntilAsync(async () => await Redis.Database.PendingAsync("work", "app") == 2);
        sidecar.Process.Signal("TERM");
        await sidecar.LogsAsync("shutting down");
        await Redis.Database.ExecuteAsync("XADD", "work", "*", "data", """{"id":"late","datacontenttype":"application/json","data":3}""");
        await Poll.UntilAsync(async () => await Redis.Database.PendingAsync("work", "app") == 3);
        Assert.False(sidecar.Process.Ended.IsCompleted);
        held.SetResult(new TopicEventResponse());
        Assert.Equal(0, await sidecar.Process.ExitAsync());
        Assert.Equal(2, await Redis.Database.PendingAsync("work", "app"));
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

        Assert.Equal(1, await Redis.Database.PendingAsync("work", "app"));
        await using var failing = await Sidecar.StartAsync("app", PubSub(), app.Port, ["--dapr-graceful-shutdown-seconds", "30"]);
        await failing.Dapr.PublishAsync("work", "2");
        await app.NextAsync("work");
        failing.Process.Signal("TERM");
        await failing.LogsAsync("shutting down");
        held.SetException(new RpcException(new Status(StatusCode.Unavailable, "configured by the test")));
        Assert.Equal(0, await failing.Process.ExitAsync());
        Assert.Equal(2, await Redis.Database.PendingAsync("work", "app"));
    }

    [Fact]
    public async Task Metadata_contains_the_health_check_settings()
    {
        await using var app = await TestApp.StartAsync();
        string[] checks = ["--enable-app-health-check", "--app-health-probe-interval", "2", "--app-health-probe-timeout", "250", "--app-health-threshold", "4"];
        await using var sidecar = await Sidecar.StartAsync("app", "", app.Port, checks);
        var health = (await sidecar.Dapr.GetMetadataAsync(new())).AppConnectionProperties.Health;
        Assert.Equal(("2s", "250ms", 4), (health.HealthProbeInterval, health.HealthProbeTimeout, health.HealthThreshold));
    }
}
