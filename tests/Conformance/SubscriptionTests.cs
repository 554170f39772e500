using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Which subscriptions are active, when they start and stop, and how their consumer groups behave.</summary>
public sealed class SubscriptionTests : IAsyncLifetime
{
    private RedisServer redis = null!;

    public async Task InitializeAsync() => redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await redis.DisposeAsync();

    [Fact]
    public async Task An_event_that_cannot_be_dead_lettered_is_acknowledged_and_lost()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("publishingScopes", "app=work")), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Empty(await redis.Database.StreamAsync("dead"));
    }

    [Fact]
    public async Task All_topics_of_a_component_share_its_workers()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "slow"), TestApp.Subscription("pubsub", "other"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("slow", _ => held.Task);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "1")), app.Port);
        await sidecar.Dapr.PublishAsync("slow", "1");
        await app.NextAsync("slow");
        await sidecar.Dapr.PublishAsync("other", "2");
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("other", "app") > 0);
        var waiting = app.NextAsync();
        Assert.False(waiting.IsCompleted);
        held.SetResult(new TopicEventResponse());
        Assert.Equal("other", (await waiting).Event.Topic);
    }

    [Fact]
    public async Task An_event_for_an_app_that_is_down_is_acknowledged_and_lost()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "plain"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        await app.StopAsync();
        await sidecar.Dapr.PublishAsync("plain", "lost");
        await redis.Database.AllAcknowledgedAsync("plain", "app");
        await app.StartAsync();
        // Events right after the restart may also be lost, because daprd has a reconnect backoff.
        Task<Received> next = app.NextAsync("plain");
        for (var i = 0; !next.IsCompleted; i++)
        {
            await sidecar.Dapr.PublishAsync("plain", $"{i}");
            await redis.Database.AllAcknowledgedAsync("plain", "app");
        }

        Assert.NotEqual("\"lost\"", (await next).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_new_consumer_group_reads_the_stream_from_its_start()
    {
        await using var publisher = await Sidecar.StartAsync("publisher", Yaml.Redis("pubsub", "pubsub.redis", redis));
        await publisher.Dapr.PublishAsync("work", "1");
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        Assert.Equal("1", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task The_consumer_group_of_a_deleted_stream_is_recreated()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await redis.Database.ExecuteAsync("DEL", "work");
        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task With_health_checks_subscriptions_start_at_the_first_successful_probe()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        app.IsHealthy = false;
        await using var sidecar = await Sidecar.StartAsync(
            "app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port, ["--enable-app-health-check", "--app-health-probe-interval", "1"]);
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.Empty((RedisResult[])(await redis.Database.ExecuteAsync("XINFO", "GROUPS", "work"))!);
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
            "app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port,
            ["--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-threshold", "1"]);
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

    [Fact]
    public async Task A_programmatic_subscription_overrides_a_declarative_one()
    {
        const string Declared = """
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: more}
            spec: {pubsubname: pubsub, topic: declared, routes: {default: /declared}}
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: same}
            spec: {pubsubname: pubsub, topic: work, routes: {default: /other}}
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: second}
            spec: {pubsubname: pubsub, topic: declared, routes: {default: /second}}
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: theirs}
            spec: {pubsubname: pubsub, topic: theirs, routes: {default: /theirs}}
            scopes: [other]
            ---
            apiVersion: dapr.io/v1alpha1
            kind: Subscription
            metadata: {name: old}
            spec: {pubsubname: pubsub, topic: older, route: /older}
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: unrouted}
            spec: {pubsubname: pubsub, topic: unrouted}
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: lettered}
            spec: {pubsubname: pubsub, topic: lettered, deadLetterTopic: dead}
            """;
        var bare = TestApp.Subscription("pubsub", "bare");
        bare.Routes = null;
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"), bare);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + Declared, app.Port);
        Assert.DoesNotContain("theirs", (await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions.Select(s => s.Topic));
        foreach (var topic in (string[])["unrouted", "lettered"])
        {
            // Without a route the event is not delivered and counts as handled.
            await sidecar.Dapr.PublishAsync(topic, "1");
            await redis.Database.AllAcknowledgedAsync(topic, "app");
        }

        Assert.Single(await redis.Database.StreamAsync("dead"));
        await sidecar.Dapr.PublishAsync("bare", "1");
        var (got, _) = await app.NextAsync();
        Assert.Equal(("bare", ""), (got.Topic, got.Path));
        await sidecar.Dapr.PublishAsync("older", "1");
        Assert.Equal("/older", (await app.NextAsync("older")).Event.Path);
        await sidecar.Dapr.PublishAsync("declared", "1");
        Assert.Equal("/declared", (await app.NextAsync("declared")).Event.Path);
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.Equal("/work", (await app.NextAsync("work")).Event.Path);
    }

    [StandInFact]
    public async Task A_subscription_with_cel_routing_is_rejected_and_the_others_are_served()
    {
        const string Declared = """
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: choosy}
            spec: {pubsubname: pubsub, topic: declared, routes: {rules: [{match: 'event.type == "a"', path: /a}], default: /b}}
            """;
        var choosy = TestApp.Subscription("pubsub", "asked");
        choosy.Routes.Rules.Add(new TopicRule { Match = "event.type == 'a'", Path = "/a" });
        await using var app = await TestApp.StartAsync(choosy, TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory") + Declared, app.Port);
        foreach (var topic in (string[])["declared", "asked"])
        {
            await sidecar.LogsAsync($"topic {topic} of pubsub cannot be subscribed to: routing by CEL expressions is not in this stand-in");
        }

        Assert.Equal("work", Assert.Single((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions).Topic);
    }
}
