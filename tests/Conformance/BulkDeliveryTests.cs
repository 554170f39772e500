using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Bulk delivery with every broker. The maximum batch size is one, so that batches are delivered at once.</summary>
public abstract class BulkDeliveryTests
{
    private readonly SharedSidecar shared;
    private readonly string pubsub;

    protected BulkDeliveryTests(SharedSidecar shared, string pubsub)
    {
        this.shared = shared;
        this.pubsub = pubsub;
        App.Reset();
    }

    protected TestApp App => shared.App;

    [Fact]
    public async Task A_batch_has_topic_path_and_type_and_each_entry_has_a_cloud_event()
    {
        await PublishAsync("batched", """{"a":"한글","b":1.0}""", metadata: [("cloudevent.id", "the-one"), ("cloudevent.type", "t")]);
        var (batch, headers) = await App.NextBatchAsync();
        Assert.Equal(
            ("batched", pubsub, "/batched", "com.dapr.event.sent.bulk"),
            (batch.Topic, batch.PubsubName, batch.Path, batch.Type));
        Assert.Equal((pubsub, pubsub), (batch.Metadata["pubsubName"], headers.GetValue("pubsubname")));
        Assert.True(Guid.TryParse(batch.Id, out _));
        var entry = Assert.Single(batch.Entries);
        Assert.True(Guid.TryParse(entry.EntryId, out _));
        var got = entry.CloudEvent;
        Assert.Equal(
            ("the-one", "app", "t", "1.0", "application/json"),
            (got.Id, got.Source, got.Type, got.SpecVersion, got.DataContentType));
        Assert.Equal("""{"a":"한글","b":1}""", got.Data.ToStringUtf8());
        Assert.Equal(["pubsubname", "time", "topic", "traceid", "traceparent", "tracestate"], got.Extensions.Fields.Keys.Order());
    }

    [Theory]
    [InlineData(TopicEventResponseStatus.Retry)]
    [InlineData(TopicEventResponseStatus.Drop)]
    [InlineData((TopicEventResponseStatus)9)]
    [InlineData(null)]
    public async Task An_entry_without_success_status_is_dead_lettered(TopicEventResponseStatus? status)
    {
        App.OnBatch = batch => TestApp.AnswerEach(batch, _ => status);
        await PublishAsync("batched-guarded", "1", metadata: ("cloudevent.id", "the-one"));
        Assert.Equal("the-one", Assert.Single((await App.NextBatchAsync()).Batch.Entries).CloudEvent.Id);
        var dead = await App.NextAsync("dead");
        Assert.Equal(("the-one", "batched-guarded"), (dead.Event.Id, dead.Event.Extensions.Fields["topic"].StringValue));
    }

    [Fact]
    public async Task A_batch_whose_delivery_fails_is_dead_lettered()
    {
        App.OnBatch = _ => throw new RpcException(new Status(StatusCode.Internal, "configured by the test"));
        await PublishAsync("batched-guarded", "1");
        Assert.Equal("1", (await App.NextAsync("dead")).Event.Data.ToStringUtf8());
    }

    protected Task PublishAsync(string topic, string data, string contentType = PubSubCalls.Json, params (string Name, string Value)[] metadata) =>
        shared.Sidecar.Dapr.PublishToAsync(pubsub, topic, data, contentType, headers: null, metadata);
}

[Collection(nameof(OnSharedSidecar))]
public sealed class InMemoryBulkDeliveryTests(SharedSidecar shared) : BulkDeliveryTests(shared, "pubsub-in-memory");

[Collection(nameof(OnSharedSidecar))]
public sealed class RedisBulkDeliveryTests(SharedSidecar shared) : BulkDeliveryTests(shared, "pubsub")
{
    private readonly IDatabase redis = shared.Redis;

    [Fact]
    public async Task Malformed_events_are_not_delivered_in_bulk_and_a_raw_subscription_receives_the_bytes()
    {
        await redis.StreamAddAsync("batched-guarded", "data", "no json");
        await PublishAsync("batched-guarded", "2");
        Assert.Equal(["2"], (await App.NextBatchAsync()).Texts);
        await redis.StreamAddAsync("batched-raw", "data", "bytes");
        Assert.Equal("bytes", Assert.Single((await App.NextBatchAsync()).Batch.Entries).Bytes.ToStringUtf8());
    }
}

/// <summary>Batches of several events: size, retries, dead-lettering and shutdown.</summary>
public sealed class BatchTests : IAsyncLifetime
{
    /// <summary>A duration longer than every test.</summary>
    private const int Forever = 600_000;

    private RedisServer redis = null!;
    private Sidecar publisher = null!;

    public async Task InitializeAsync()
    {
        redis = await RedisServer.StartAsync();
        publisher = await Sidecar.StartAsync("publisher", Components());
    }

    public async Task DisposeAsync()
    {
        await publisher.DisposeAsync();
        await redis.DisposeAsync();
    }

    [Fact]
    public async Task A_full_batch_is_delivered_at_once()
    {
        await PublishAsync("work", 4);
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work", maxMessages: 2, maxAwaitMs: Forever));
        await using var sidecar = await Sidecar.StartAsync("bulk", Components(), app.Port);
        Assert.Equal(2, (await app.NextBatchAsync()).Batch.Entries.Count);
        Assert.Equal(2, (await app.NextBatchAsync()).Batch.Entries.Count);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
    }

    [Fact]
    public async Task A_batch_has_at_most_one_message_per_worker_and_still_waits_for_the_full_await_duration()
    {
        await PublishAsync("work", 5);
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work", maxMessages: 100, maxAwaitMs: 3_000));
        await using var sidecar = await Sidecar.StartAsync("bulk", Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "3")), app.Port);
        Assert.Equal(["0", "1", "2"], (await app.NextBatchAsync()).Texts.Order());
        Assert.Equal(["3", "4"], (await app.NextBatchAsync()).Texts.Order());
    }

    [Fact]
    public async Task A_batch_of_100_has_the_trace_headers_of_each_event()
    {
        const string None = "00-00000000000000000000000000000000-0000000000000000-00";
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work", maxMessages: 100, maxAwaitMs: Forever));
        await using var sidecar = await Sidecar.StartAsync("bulk", Wide(), app.Port);
        var traced = Enumerable.Range(0, 50).Select(i => $"00-{i + 1:x32}-b7ad6b7169203331-01").ToList();
        foreach (var parent in traced) await sidecar.Dapr.PublishAsync("work", "1", headers: new Metadata { { "traceparent", parent } });
        for (var i = 0; i < 50; i++) await sidecar.Dapr.PublishAsync("work", "1");
        var (batch, headers) = await app.NextBatchAsync();
        Assert.Equal(100, batch.Entries.Count);
        var parents = headers.Where(header => header.Key == "traceparent").Select(header => header.Value).ToList();
        Assert.Equal(batch.Entries.Select(e => e.CloudEvent.Extensions.Fields["traceparent"].StringValue is { Length: > 0 } own ? own : None), parents);
        Assert.Equal(traced.Concat(Enumerable.Repeat(None, 50)).Order(), parents.Order());
        var binary = headers.Where(header => header.Key == "grpc-trace-bin").Select(header => header.ValueBytes).ToList();
        Assert.Equal(parents.Select(parent => parent[3..35]), binary.Select(bytes => Convert.ToHexStringLower(bytes.AsSpan(2, 16))));
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
    }

    [Fact]
    public async Task In_bulk_a_failing_event_blocks_later_events_of_its_topic_and_no_other_topic()
    {
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work"), TestApp.BulkSubscription("pubsub", "other"));
        var cured = false;
        app.OnBatch = batch => TestApp.AnswerEach(batch, text => text == "0" && !cured ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success);
        await using var sidecar = await Sidecar.StartAsync("bulk", Components() + Yaml.Retries("pubsub", -1), app.Port);
        await PublishAsync("work", 1);
        Assert.Equal("work", (await app.NextBatchAsync()).Batch.Topic);
        await sidecar.Dapr.PublishAsync("work", "later");
        await sidecar.Dapr.PublishAsync("other", "of another topic");
        var topics = new List<string>();
        while (!topics.Contains("other"))
        {
            var batch = await app.NextBatchAsync();
            topics.Add(batch.Batch.Topic);
            if (batch.Batch.Topic == "work") Assert.Equal(["0"], batch.Texts);
        }

        // The blocked event has been read.
        while (await redis.Database.PendingAsync("work", "bulk") < 2) Assert.Equal(["0"], (await app.NextBatchAsync()).Texts);
        for (var attempt = 0; attempt < 20; attempt++) Assert.Equal(["0"], (await app.NextBatchAsync()).Texts);
        cured = true;
        ReceivedBatch next;
        do next = await app.NextBatchAsync();
        while (next.Texts[0] == "0");
        Assert.Equal(["\"later\""], next.Texts);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
    }

    [Fact]
    public async Task An_event_waiting_for_the_previous_batch_occupies_a_worker()
    {
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work"), TestApp.Subscription("pubsub", "plain"));
        var cured = false;
        app.OnBatch = batch => TestApp.AnswerEach(batch, _ => cured ? TopicEventResponseStatus.Success : TopicEventResponseStatus.Retry);
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "3")) + Yaml.Retries("pubsub", -1);
        await using var sidecar = await Sidecar.StartAsync("bulk", components, app.Port);
        await PublishAsync("work", 3);
        await app.NextBatchAsync();
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("work", "bulk") >= 3);
        await sidecar.Dapr.PublishAsync("plain", "1");
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("plain", "bulk") >= 1);
        var waiting = app.NextAsync("plain");
        for (var attempt = 0; attempt < 20; attempt++) await app.NextBatchAsync();
        Assert.False(waiting.IsCompleted);
        cured = true;
        await waiting;
    }

    [Fact]
    public async Task Only_the_failed_entries_of_a_batch_are_retried()
    {
        await PublishAsync("work", 3);
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work", "dead", maxMessages: 3, maxAwaitMs: Forever));
        var attempts = 0;
        app.OnBatch = batch =>
        {
            attempts++;
            return TestApp.AnswerEach(batch, text => text == "1" && attempts < 3 ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success);
        };
        await using var sidecar = await Sidecar.StartAsync("bulk", Components() + Yaml.Retries("pubsub", 5), app.Port);
        var first = await app.NextBatchAsync();
        Assert.Equal(["0", "1", "2"], first.Texts.Order());
        var failed = first.Batch.Entries.Single(e => ReceivedBatch.Text(e) == "1");
        for (var i = 0; i < 2; i++) Assert.Equal(failed.EntryId, Assert.Single((await app.NextBatchAsync()).Batch.Entries).EntryId);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
        Assert.Equal(3, attempts);
        Assert.Empty(await redis.Database.StreamAsync("dead"));
    }

    [Fact]
    public async Task Only_entries_that_fail_after_all_retries_are_dead_lettered_unchanged()
    {
        await PublishAsync("work", 2);
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work", "dead", maxMessages: 2, maxAwaitMs: Forever));
        app.OnBatch = batch => TestApp.AnswerEach(batch, text => text == "1" ? null : TopicEventResponseStatus.Success);
        await using var sidecar = await Sidecar.StartAsync("bulk", Components() + Yaml.Retries("pubsub", 1), app.Port);
        Assert.Equal(2, (await app.NextBatchAsync()).Batch.Entries.Count);
        Assert.Equal(["1"], (await app.NextBatchAsync()).Texts);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
        var copy = Assert.Single(await redis.Database.StreamAsync("dead"));
        Assert.Equal((await redis.Database.StreamAsync("work"))[1], copy);
    }

    [Fact]
    public async Task An_incomplete_batch_of_a_stopped_subscription_is_not_acknowledged_and_redelivered()
    {
        await using var app = await TestApp.StartAsync(TestApp.BulkSubscription("pubsub", "work", maxMessages: 2, maxAwaitMs: Forever));
        string[] checks = ["--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-threshold", "1"];
        await using (var sidecar = await Sidecar.StartAsync("bulk", Components(), app.Port, checks))
        {
            await sidecar.Dapr.PublishAsync("work", "1");
            await Poll.UntilAsync(async () => await redis.Database.PendingAsync("work", "bulk") > 0);
            app.IsHealthy = false;
            await sidecar.UntilUnhealthyAsync();
        }

        Assert.Equal(1, await redis.Database.PendingAsync("work", "bulk"));
        app.IsHealthy = true;
        app.Subscriptions[0].BulkSubscribe.MaxMessagesCount = 1;
        var eager = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "200"), ("redeliverInterval", "100"));
        await using var next = await Sidecar.StartAsync("bulk", eager, app.Port);
        Assert.Equal(["1"], (await app.NextBatchAsync()).Texts);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
    }

    /// <summary>Publishes before the app subscribes, so that the new consumer group reads all events at once.</summary>
    private async Task PublishAsync(string topic, int count)
    {
        for (var i = 0; i < count; i++) await publisher.Dapr.PublishAsync(topic, $"{i}");
    }

    private string Components() => Yaml.Redis("pubsub", "pubsub.redis", redis);

    /// <summary>One worker per event of a full batch.</summary>
    private string Wide() => Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "100"));
}
