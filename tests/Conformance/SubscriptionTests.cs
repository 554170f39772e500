using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Which subscriptions are active, when they start and stop, and how their consumer groups behave.</summary>
public sealed class SubscriptionTests : OnOwnRedis
{
    [Fact]
    public async Task An_event_that_cannot_be_dead_lettered_is_acknowledged_and_lost()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(("publishingScopes", "app=work")), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await Redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Empty(await Redis.Database.StreamAsync("dead"));
    }

    [Fact]
    public async Task All_topics_of_a_component_share_its_workers()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "slow"), TestApp.Subscription("pubsub", "other"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("slow", _ => held.Task);
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(("concurrency", "1")), app.Port);
        await sidecar.Dapr.PublishAsync("slow", "1");
        await app.NextAsync("slow");
        await sidecar.Dapr.PublishAsync("other", "2");
        await Poll.UntilAsync(async () => await Redis.Database.PendingAsync("other", "app") > 0);
        var waiting = app.NextAsync();
        Assert.False(waiting.IsCompleted);
        held.SetResult(new TopicEventResponse());
        Assert.Equal("other", (await waiting).Event.Topic);
    }

    [Fact]
    public async Task A_new_consumer_group_reads_the_stream_from_its_start()
    {
        await using var publisher = await Sidecar.StartAsync("publisher", PubSub());
        await publisher.Dapr.PublishAsync("work", "1");
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(), app.Port);
        Assert.Equal("1", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task The_consumer_group_of_a_deleted_stream_is_recreated()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await Redis.Database.ExecuteAsync("DEL", "work");
        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task With_health_checks_subscriptions_start_at_the_first_successful_probe()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        app.IsHealthy = false;
        await using var sidecar = await Sidecar.StartAsync(
            "app", PubSub(), app.Port, ["--enable-app-health-check", "--app-health-probe-interval", "1"]);
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.Empty((RedisResult[])(await Redis.Database.ExecuteAsync("XINFO", "GROUPS", "work"))!);
        app.IsHealthy = true;
        Assert.Equal("1", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    // An app without health check counts as unhealthy.
    [InlineData(StatusCode.Unimplemented)]
    public async Task An_unhealthy_app_receives_no_events_until_it_recovers(StatusCode answer)
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        app.UnhealthyAs = answer;
        await using var sidecar = await Sidecar.StartAsync(
            "app", PubSub(), app.Port,
            ["--enable-app-health-check", "--app-health-probe-interval", "4", "--app-health-probe-timeout", "4000", "--app-health-threshold", "1"]);
        await sidecar.Dapr.PublishAsync("work", "0");
        await app.NextAsync("work");
        app.IsHealthy = false;
        await sidecar.UntilUnhealthyAsync();
        await sidecar.Dapr.PublishAsync("work", "1");
        var waiting = app.NextAsync("work");
        Assert.False(waiting.IsCompleted);
        // Service invocation still works.
        var reply = await new Echo.EchoClient(sidecar.Channel).SayAsync(new EchoMessage { Text = "hello" }, new Metadata { { "dapr-app-id", "app" } });
        Assert.Equal("hello", reply.Text);
        Assert.False(waiting.IsCompleted);
        app.IsHealthy = true;
        Assert.Equal("1", (await waiting).Event.Data.ToStringUtf8());
    }

    [StandInFact]
    public async Task A_subscription_with_cel_routing_is_rejected_and_the_others_are_served()
    {
        var choosy = TestApp.Subscription("pubsub", "asked");
        choosy.Routes.Rules.Add(new TopicRule { Match = "event.type == 'a'", Path = "/a" });
        await using var app = await TestApp.StartAsync(choosy, TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory"), app.Port);
        await sidecar.LogsAsync("topic asked of pubsub cannot be subscribed to: routing by CEL expressions is not in this stand-in");
        Assert.Equal("work", Assert.Single((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions).Topic);
    }
}
