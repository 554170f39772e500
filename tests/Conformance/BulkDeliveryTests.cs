using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>What must hold of batches whatever the broker. Batches are of one here, so that no broker makes them wait.</summary>
public abstract class BulkDeliveryTests
{
    private readonly AddressedSidecar addressed;
    private readonly string pubsub;

    protected BulkDeliveryTests(AddressedSidecar addressed, string pubsub)
    {
        this.addressed = addressed;
        this.pubsub = pubsub;
        App.Forget();
    }

    protected TestApp App => addressed.App;

    [Fact]
    public async Task A_batch_names_its_topic_and_each_entry_carries_an_event()
    {
        await PublishAsync("batched", """{"b":1.0,"a":"<"}""", metadata: [("cloudevent.id", "the-one"), ("cloudevent.subject", "s"), ("Custom", "x")]);
        var (batch, headers, rpc) = await App.NextBatchAsync();
        Assert.Equal(("batched", pubsub, "/batched", "com.dapr.event.sent.bulk", TestApp.StableRpc), (batch.Topic, batch.PubsubName, batch.Path, batch.Type, rpc));
        Assert.Equal((pubsub, pubsub), (batch.Metadata["pubsubName"], headers.GetValue("pubsubname")));
        Assert.True(Guid.TryParse(batch.Id, out _));
        var entry = Assert.Single(batch.Entries);
        Assert.True(Guid.TryParse(entry.EntryId, out _));
        Assert.Equal("x", entry.Metadata["Custom"]);
        var got = entry.CloudEvent;
        Assert.Equal(("the-one", "app", "com.dapr.event.sent", "1.0", "application/json"), (got.Id, got.Source, got.Type, got.SpecVersion, got.DataContentType));
        Assert.Equal("""{"a":"\u003c","b":1}""", got.Data.ToStringUtf8());
        Assert.Equal(["pubsubname", "subject", "time", "topic", "traceid", "traceparent", "tracestate"], got.Extensions.Fields.Keys.Order());
    }

    [Fact]
    public async Task A_raw_subscription_gets_the_bytes()
    {
        await PublishAsync("batched-raw", "bytes", metadata: ("rawPayload", "true"));
        Assert.Equal("bytes", Assert.Single((await App.NextBatchAsync()).Batch.Entries).Bytes.ToStringUtf8());
    }

    [Fact]
    public async Task Binary_data_does_not_arrive()
    {
        await PublishAsync("batched", "bytes", "application/octet-stream");
        var got = Assert.Single((await App.NextBatchAsync()).Batch.Entries).CloudEvent;
        Assert.Equal(("application/octet-stream", 0), (got.DataContentType, got.Data.Length));
    }

    [Theory]
    [InlineData(TopicEventResponseStatus.Retry)]
    [InlineData(TopicEventResponseStatus.Drop)]
    [InlineData((TopicEventResponseStatus)9)]
    [InlineData(null)]
    public async Task What_is_not_a_success_goes_to_the_dead_letter_topic(TopicEventResponseStatus? status)
    {
        App.OnBatch = batch => TestApp.AnswerEach(batch, _ => status);
        await PublishAsync("batched-guarded", "1", metadata: ("cloudevent.id", "the-one"));
        Assert.Equal("the-one", Assert.Single((await App.NextBatchAsync()).Batch.Entries).CloudEvent.Id);
        var dead = await App.NextAsync("dead");
        Assert.Equal(("the-one", "batched-guarded"), (dead.Event.Id, dead.Event.Extensions.Fields["topic"].StringValue));
    }

    [Fact]
    public async Task An_answer_for_an_entry_that_was_not_sent_counts_for_nothing()
    {
        App.OnBatch = _ => new TopicEventBulkResponse { Statuses = { new TopicEventBulkResponseEntry { EntryId = "stranger" } } };
        await PublishAsync("batched-guarded", "1");
        Assert.Equal("1", (await App.NextAsync("dead")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_failing_app_sends_the_batch_to_the_dead_letter_topic()
    {
        App.OnBatch = _ => throw new RpcException(new Status(StatusCode.Internal, "as the test wants it"));
        await PublishAsync("batched-guarded", "1");
        Assert.Equal("1", (await App.NextAsync("dead")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task An_app_that_knows_only_the_alpha_name_is_served_by_it()
    {
        App.BulkRpcs = [TestApp.AlphaRpc];
        await PublishAsync("batched", "1");
        Assert.Equal(TestApp.AlphaRpc, (await App.NextBatchAsync()).Rpc);
    }

    [Fact]
    public async Task An_app_that_implements_neither_name_has_processed_it()
    {
        App.BulkRpcs = [];
        await PublishAsync("batched-guarded", "1");
        Assert.Equal((TestApp.StableRpc, TestApp.AlphaRpc), (await App.NextRefusedAsync(), await App.NextRefusedAsync()));
        App.BulkRpcs = [TestApp.StableRpc];
        App.OnBatch = batch => TestApp.AnswerEach(batch, _ => TopicEventResponseStatus.Drop);
        await PublishAsync("batched-guarded", "2");
        Assert.Equal("2", (await App.NextAsync("dead")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task What_has_expired_or_is_no_envelope_is_dead_lettered_and_never_reaches_the_app()
    {
        await PublishAsync("batched-guarded", """{"id":"old","expiration":"2001-01-01T00:00:00Z","data":1}""", "application/cloudevents+json");
        await PublishAsync("batched-guarded", "no json", metadata: ("rawPayload", "true"));
        await PublishAsync("batched-guarded", "2");
        Assert.Equal(["2"], (await App.NextBatchAsync()).Texts);
    }

    protected Task PublishAsync(string topic, string data, string contentType = PubSubCalls.Json, params (string Name, string Value)[] metadata) =>
        addressed.Sidecar.Dapr.PublishToAsync(pubsub, topic, data, contentType, headers: null, metadata);
}

[Collection(AddressedSidecarCollection.Name), Trait("Needs", "Address")]
public sealed class InMemoryBulkDeliveryTests(AddressedSidecar addressed) : BulkDeliveryTests(addressed, "pubsub-in-memory");

[Collection(AddressedSidecarCollection.Name), Trait("Needs", "Address")]
public sealed class RedisBulkDeliveryTests(AddressedSidecar addressed) : BulkDeliveryTests(addressed, "pubsub")
{
    private readonly IDatabase redis = addressed.Redis;

    [Fact]
    public async Task Without_policy_and_dead_letter_topic_a_failure_is_acknowledged_and_lost()
    {
        App.OnBatch = batch => TestApp.AnswerEach(batch, _ => TopicEventResponseStatus.Retry);
        await PublishAsync("batched", "lost");
        await App.NextBatchAsync();
        await redis.AllAcknowledgedAsync("batched", AddressedSidecar.AppId);
        App.OnBatch = batch => TestApp.AnswerEach(batch, _ => TopicEventResponseStatus.Success);
        await PublishAsync("batched", "kept");
        Assert.Equal(["\"kept\""], (await App.NextBatchAsync()).Texts);
    }
}

/// <summary>Batches of more than one, and what becomes of those that fail or wait.</summary>
public sealed class BatchTests : IAsyncLifetime
{
    /// <summary>A wait that no test lives to see the end of.</summary>
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
    public async Task A_full_batch_does_not_wait()
    {
        await PublishAsync("work", 4);
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", maxMessages: 2, maxAwaitMs: Forever));
        await using var sidecar = await Sidecar.StartAsync("bulk", Components(), app.Port);
        Assert.Equal(2, (await app.NextBatchAsync()).Batch.Entries.Count);
        Assert.Equal(2, (await app.NextBatchAsync()).Batch.Entries.Count);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
    }

    [Fact]
    public async Task A_batch_has_as_many_messages_as_the_broker_has_workers_and_then_waits_in_vain_for_more()
    {
        await PublishAsync("work", 5);
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", maxMessages: 100, maxAwaitMs: 500));
        await using var sidecar = await Sidecar.StartAsync("bulk", Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "3")), app.Port);
        Assert.Equal(["0", "1", "2"], (await app.NextBatchAsync()).Texts.Order());
        Assert.Equal(["3", "4"], (await app.NextBatchAsync()).Texts.Order());
    }

    [Fact]
    public async Task A_full_batch_of_a_hundred_carries_the_trace_headers_of_each_event()
    {
        const string None = "00-00000000000000000000000000000000-0000000000000000-00";
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", maxMessages: 100, maxAwaitMs: Forever));
        await using var sidecar = await Sidecar.StartAsync("bulk", Wide(), app.Port);
        var traced = Enumerable.Range(0, 50).Select(i => $"00-{i + 1:x32}-b7ad6b7169203331-01").ToList();
        foreach (var parent in traced) await sidecar.Dapr.PublishAsync("work", "1", headers: new Metadata { { "traceparent", parent } });
        for (var i = 0; i < 50; i++) await sidecar.Dapr.PublishAsync("work", "1");
        var (batch, headers, _) = await app.NextBatchAsync();
        Assert.Equal(100, batch.Entries.Count);
        var parents = headers.Where(header => header.Key == "traceparent").Select(header => header.Value).ToList();
        Assert.Equal(batch.Entries.Select(e => e.CloudEvent.Extensions.Fields["traceparent"].StringValue is { Length: > 0 } own ? own : None), parents);
        Assert.Equal(traced.Concat(Enumerable.Repeat(None, 50)).Order(), parents.Order());
        var binary = headers.Where(header => header.Key == "grpc-trace-bin").Select(header => header.ValueBytes).ToList();
        Assert.Equal(parents.Select(parent => parent[3..35]), binary.Select(bytes => Convert.ToHexStringLower(bytes.AsSpan(2, 16))));
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
    }

    [Fact]
    public async Task An_app_that_takes_a_hundred_header_fields_gets_no_batch_of_fifty()
    {
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", "dead", maxMessages: 50, maxAwaitMs: Forever));
        await app.StopAsync();
        app.HeadersMax = 100;
        await app.StartAsync();
        await using var sidecar = await Sidecar.StartAsync("bulk", Wide(), app.Port);
        await PublishAsync("work", 50);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
        Assert.Equal(50, (await redis.Database.StreamAsync("dead")).Count);
    }

    [Fact]
    public async Task An_event_that_fails_holds_up_the_later_ones_of_its_topic_and_no_other_topic()
    {
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work"), TestApp.WantsInBulk("pubsub", "other"));
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

        // It has been read all the same.
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
    public async Task Each_event_that_waits_for_the_batch_before_holds_a_worker_of_the_component()
    {
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work"), TestApp.Wants("pubsub", "plain"));
        var cured = false;
        app.OnBatch = batch => TestApp.AnswerEach(batch, _ => cured ? TopicEventResponseStatus.Success : TopicEventResponseStatus.Retry);
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "3")) + Yaml.Retries("pubsub", -1);
        await using var sidecar = await Sidecar.StartAsync("bulk", components, app.Port);
        await PublishAsync("work", 3);
        await app.NextBatchAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await redis.Database.PendingAsync("work", "bulk") < 3) limit.Token.ThrowIfCancellationRequested();
        await sidecar.Dapr.PublishAsync("plain", "1");
        while (await redis.Database.PendingAsync("plain", "bulk") < 1) limit.Token.ThrowIfCancellationRequested();
        var waiting = app.NextAsync("plain");
        for (var attempt = 0; attempt < 20; attempt++) await app.NextBatchAsync();
        Assert.False(waiting.IsCompleted);
        cured = true;
        await waiting;
    }

    [Fact]
    public async Task A_policy_sends_again_only_what_has_failed()
    {
        await PublishAsync("work", 3);
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", "dead", maxMessages: 3, maxAwaitMs: Forever));
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
    public async Task What_still_fails_after_the_policy_is_dead_lettered_as_it_was_published_and_the_rest_is_not()
    {
        await PublishAsync("work", 2);
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", "dead", maxMessages: 2, maxAwaitMs: Forever));
        app.OnBatch = batch => TestApp.AnswerEach(batch, text => text == "1" ? null : TopicEventResponseStatus.Success);
        await using var sidecar = await Sidecar.StartAsync("bulk", Components() + Yaml.Retries("pubsub", 1), app.Port);
        Assert.Equal(2, (await app.NextBatchAsync()).Batch.Entries.Count);
        Assert.Equal(["1"], (await app.NextBatchAsync()).Texts);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
        var copy = Assert.Single(await redis.Database.StreamAsync("dead"));
        Assert.Equal((await redis.Database.StreamAsync("work"))[1], copy);
    }

    [Theory]
    [InlineData(StatusCode.NotFound, 1)]
    [InlineData(StatusCode.Unavailable, 3)]
    public async Task A_policy_sends_a_batch_again_only_after_the_codes_it_names(StatusCode code, int attempts)
    {
        await PublishAsync("work", 2);
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", "dead", maxMessages: 2, maxAwaitMs: Forever));
        var calls = 0;
        app.OnBatch = _ =>
        {
            calls++;
            throw new RpcException(new Status(code, "as the test wants it"));
        };
        var policy = Yaml.Retries("pubsub", 2, matching: ", matching: {gRPCStatusCodes: \"14\"}");
        await using var sidecar = await Sidecar.StartAsync("bulk", Components() + policy, app.Port);
        await redis.Database.AllAcknowledgedAsync("work", "bulk");
        Assert.Equal((attempts, 2), (calls, (await redis.Database.StreamAsync("dead")).Count));
    }

    [Fact]
    public async Task A_batch_that_waits_when_its_subscription_is_stopped_is_not_acknowledged_and_comes_again()
    {
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", maxMessages: 2, maxAwaitMs: Forever));
        string[] checks = ["--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-threshold", "1"];
        await using (var sidecar = await Sidecar.StartAsync("bulk", Components(), app.Port, checks))
        {
            await sidecar.Dapr.PublishAsync("work", "1");
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (await redis.Database.PendingAsync("work", "bulk") == 0) limit.Token.ThrowIfCancellationRequested();
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

    [Fact]
    public async Task A_declared_subscription_may_ask_for_batches()
    {
        const string declared = """
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: work}
            spec:
              pubsubname: pubsub
              topic: work
              routes: {default: /declared}
              bulkSubscribe: {enabled: true, maxMessagesCount: 2, maxAwaitDurationMs: 600000}
            """;
        await PublishAsync("work", 2);
        await using var app = await TestApp.StartAsync();
        await using var sidecar = await Sidecar.StartAsync("bulk", Components() + declared, app.Port);
        var got = await app.NextBatchAsync();
        Assert.Equal(("/declared", 2), (got.Batch.Path, got.Batch.Entries.Count));
    }

    [Fact]
    public async Task A_batch_in_memory_is_never_more_than_one_because_the_broker_waits_for_each()
    {
        await using var app = await TestApp.StartAsync(TestApp.WantsInBulk("pubsub", "work", maxMessages: 100, maxAwaitMs: 50));
        await using var sidecar = await Sidecar.StartAsync("patient", Yaml.Component("pubsub", "pubsub.in-memory"), app.Port);
        for (var i = 0; i < 3; i++) await sidecar.Dapr.PublishAsync("work", $"{i}");
        for (var i = 0; i < 3; i++) Assert.Equal([$"{i}"], (await app.NextBatchAsync()).Texts);
    }

    /// <summary>Before anybody listens, so that a new group finds all of it at once.</summary>
    private async Task PublishAsync(string topic, int count)
    {
        for (var i = 0; i < count; i++) await publisher.Dapr.PublishAsync(topic, $"{i}");
    }

    private string Components() => Yaml.Redis("pubsub", "pubsub.redis", redis);

    /// <summary>With a worker for each event of a full batch.</summary>
    private string Wide() => Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "100"));
}
