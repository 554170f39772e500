using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Retries of deliveries by resiliency policies.</summary>
public sealed class RetryPolicyTests : OnOwnRedis
{
    [Fact]
    public async Task An_event_is_dead_lettered_after_the_maximum_number_of_retries()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + Yaml.Retries("pubsub", 2), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        var topics = new List<string>();
        for (var i = 0; i < 4; i++) topics.Add((await app.NextAsync()).Event.Topic);
        Assert.Equal(["work", "work", "work", "dead"], topics);
    }

    [Fact]
    public async Task Retries_end_with_the_first_success()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        var calls = 0;
        app.OnTopic("work", _ =>
            Task.FromResult(new TopicEventResponse { Status = ++calls < 3 ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success }));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + Yaml.Retries("pubsub", 9), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        for (var i = 0; i < 3; i++) await app.NextAsync("work");
        await Redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Equal(3, calls);
        Assert.Empty(await Redis.Database.StreamAsync("dead"));
    }

    [Fact]
    public async Task An_exponential_retry_starts_with_half_a_second_regardless_of_max_interval()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        var attempts = new List<long>();
        app.OnTopic("work", _ =>
        {
            attempts.Add(Stopwatch.GetTimestamp());
            return Task.FromResult(new TopicEventResponse { Status = TopicEventResponseStatus.Retry });
        });
        var policy = Yaml.Resiliency(
            "{retries: {again: {policy: exponential, maxInterval: 1ms, maxRetries: 3}}}",
            "{components: {pubsub: {inbound: {retry: again}}}}");
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + policy, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("dead");
        Assert.Equal(4, attempts.Count);
        // Half a second with a jitter of 50 %, measured inside the app: at least 250 ms, regardless of the load of the machine.
        Assert.True(Stopwatch.GetElapsedTime(attempts[0], attempts[1]) > TimeSpan.FromMilliseconds(200),
            $"{Stopwatch.GetElapsedTime(attempts[0], attempts[1])}");
    }

    [Fact]
    public async Task A_delivery_that_times_out_is_retried()
    {
        await using var app = await TestApp.StartAsync(
            TestApp.Subscription("pubsub", "first"), TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        var policy = Yaml.Resiliency(
            "{timeouts: {soon: 3s}, retries: {again: {duration: 1ms, maxRetries: 1}}}", "{components: {pubsub: {inbound: {timeout: soon, retry: again}}}}");
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + policy, app.Port);
        // The first call of a sidecar to its app can take hundreds of milliseconds, and the app may never see a call that times out in transit.
        await sidecar.Dapr.PublishAsync("first", "1");
        await Redis.Database.AllAcknowledgedAsync("first", "app");
        app.Reset();
        app.OnTopic("work", _ => never.Task);
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.Equal(
            ["work", "work", "dead"],
            new[] { (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic });
        never.SetCanceled();
    }

    [Fact]
    public async Task A_retried_event_does_not_block_other_events_of_its_topic()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var cured = false;
        app.OnTopic("work", got => Task.FromResult(new TopicEventResponse
        {
            Status = got.Id == "poison" && !cured ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success,
        }));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub() + Yaml.Retries("pubsub", -1), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "poison"));
        await app.NextAsync("work");
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "later"));
        while ((await app.NextAsync("work")).Event.Id != "later") ;
        Assert.Equal("poison", (await app.NextAsync("work")).Event.Id);
        cured = true;
        await Redis.Database.AllAcknowledgedAsync("work", "app");
    }
}
