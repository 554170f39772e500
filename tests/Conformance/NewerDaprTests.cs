using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Conformance.StateCalls;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>The differences of Dapr 1.19. Only the stand-in can select its version.</summary>
public sealed class NewerDaprTests : OnOwnRedis
{
    [StandInTheory]
    [InlineData("", "", "1.18.1")]
    [InlineData("1.19.0", "", "1.19.0")]
    [InlineData("", "1.19.2", "1.19.2")]
    [InlineData("1.19", "1.20.0", "1.19.0")]
    public async Task The_version_comes_from_the_flag_or_else_from_the_environment(string flag, string variable, string expected)
    {
        await using var sidecar = await Sidecar.StartAsync(
            "app", "", more: flag.Length > 0 ? ["--dapr-version", flag] : [], environment: new Dictionary<string, string> { ["DAPR_RUNTIME_VERSION"] = variable });
        Assert.Equal(expected, (await sidecar.Dapr.GetMetadataAsync(new())).RuntimeVersion);
    }

    [StandInTheory]
    [InlineData("1.18.1", false)]
    [InlineData("1.19.0", true)]
    [InlineData("1.19.1", true)]
    [InlineData("1.19.2", false)]
    public async Task An_etag_for_a_missing_key_is_rejected_by_two_versions(string version, bool refused)
    {
        await using var sidecar = await StartAsync(version, Yaml.Redis("store", "state.redis", Redis));
        var failure = await Record.ExceptionAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "one", "7")));
        Assert.Equal(refused ? StatusCode.Aborted : null, (failure as RpcException)?.StatusCode);
        Assert.Equal(refused ? ("", "") : ("one", "1"), await sidecar.Dapr.GetAsync("store", "k"));
        await sidecar.Dapr.SaveAsync("store", Item("other", "one", concurrency: FirstWrite));
        await sidecar.Dapr.SaveAsync("store", Item("other", "two", "1", FirstWrite));
        Assert.Equal(("two", "2"), await sidecar.Dapr.GetAsync("store", "other"));
    }

    [StandInTheory]
    [InlineData("1.18.1", "100ms", false)]
    [InlineData("1.19.0", "100ms", true)]
    [InlineData("1.19.0", "0", false)]
    public async Task An_event_in_retry_is_not_reclaimed_with_keep_alive(string version, string keepAlive, bool isKept)
    {
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work"));
        var cured = false;
        app.OnBatch = batch => TestApp.AnswerEach(batch, _ => cured ? TopicEventResponseStatus.Success : TopicEventResponseStatus.Retry);
        await using var sidecar = await StartAsync(
            version, PubSub(("processingTimeout", "5000"), ("redeliverInterval", "100"), ("entryKeepAliveInterval", keepAlive)) + Yaml.Retries("pubsub", -1), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextBatchAsync();
        // Sixty keep-alives of 100 ms take longer than the processing timeout.
        await Poll.UntilAsync(async () => isKept ? await Redis.Database.CallsAsync("xclaim") >= 60 : await DeliveriesAsync() >= 2);
        if (isKept) Assert.Equal(1, await DeliveriesAsync());
        cured = true;
        await Redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [StandInFact]
    public async Task The_redeliver_interval_may_be_a_duration()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await Redis.Database.AddReadAsync("work", "app");
        await using var sidecar = await StartAsync("1.19.0", PubSub(("redeliverInterval", "50ms")), app.Port);
        // With the default of 15 s there would be at most three searches before the timeout.
        await Poll.UntilAsync(async () => await Redis.Database.CallsAsync("xpending") >= 10);
    }

    [StandInTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_event_in_endless_retry_is_dead_lettered_at_the_processing_timeout(bool hangs)
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        if (hangs) app.OnTopic("work", _ => never.Task);
        else app.OnTopic("work", TopicEventResponseStatus.Retry);
        await using var sidecar = await StartAsync("1.19.0", PubSub(("processingTimeout", "3s")) + Yaml.Retries("pubsub", -1), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "poison"));
        Assert.Equal("poison", (await app.NextAsync("work")).Event.Id);
        Assert.Equal("poison", (await app.NextAsync("dead")).Event.Id);
        await Redis.Database.AllAcknowledgedAsync("work", "app");
        never.SetResult(new TopicEventResponse());
    }

    [StandInFact]
    public async Task Without_dead_letter_topic_an_event_is_redelivered_after_the_processing_timeout()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var calls = 0;
        app.OnTopic("work", _ => Interlocked.Increment(ref calls) == 1 ? new TaskCompletionSource<TopicEventResponse>().Task : Task.FromResult(new TopicEventResponse()));
        await using var sidecar = await StartAsync("1.19.0", PubSub(("processingTimeout", "500ms"), ("redeliverInterval", "100ms")), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await app.NextAsync("work");
        await Redis.Database.AllAcknowledgedAsync("work", "app");
    }

    private static Task<Sidecar> StartAsync(string version, string resources, int appPort = 0) =>
        Sidecar.StartAsync("app", resources, appPort, ["--dapr-version", version]);

    /// <summary>The delivery count of the only pending message of the topic.</summary>
    private async Task<long> DeliveriesAsync()
    {
        var pending = (RedisResult[])(await Redis.Database.ExecuteAsync("XPENDING", "work", "app", "-", "+", 1))!;
        return (long)((RedisResult[])pending.Single()!)[3];
    }
}
