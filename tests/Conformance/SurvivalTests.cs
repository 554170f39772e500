using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using static Conformance.StateCalls;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Crashes and outages of Redis, apps and sidecars.</summary>
public sealed class SurvivalTests
{
    /// <summary>Longer than the command timeout and the connect timeout of the stand-in's Redis client.</summary>
    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(6);

    [Fact]
    public async Task Requests_fail_during_a_redis_outage_and_succeed_after_a_restart_with_and_without_data() =>
        await Task.WhenAll(RedisComesBackWithItsDataAsync(), RedisComesBackEmptyAsync());

    [Fact]
    public async Task Requests_to_a_frozen_redis_time_out()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis, readTimeout: "1s"), app.Port);

        redis.Signal("STOP");
        await EveryRequestFailsAsync(sidecar);
        redis.Signal("CONT");
        await UntilServedAsync(sidecar);

        // Redis may still execute the commands that timed out, so the checks use another key and id.
        await sidecar.Dapr.SaveAsync("store", Item("other", "one"));
        Assert.Equal("one", (await sidecar.Dapr.GetAsync("store", "other")).Value);
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "after"));
        while ((await app.NextAsync("work")).Event.Id != "after") ;
    }

    [Fact]
    public async Task All_events_held_by_a_killed_sidecar_are_redelivered()
    {
        // As many as the workers and their queue hold.
        const int Count = 110;
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => never.Task);
        await using var first = await Sidecar.StartAsync("app", PubSubAndStore(redis, processingTimeout: "1m"), app.Port);
        await PublishManyAsync(first, "work", Count, "{}");
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("work", "app") == Count);
        await first.KillAsync();
        never.SetCanceled();
        app.OnTopic("work", TopicEventResponseStatus.Success);
        await using var second = await Sidecar.StartAsync("app", PubSubAndStore(redis), app.Port);
        Assert.Equal(Count, (await IdsAsync(app, Count)).Count);
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Fact]
    public async Task An_event_whose_app_crashed_is_redelivered_to_the_restarted_app_by_a_retry_policy()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => never.Task);
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis) + Yaml.Retries("pubsub", -1), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "the-one"));
        await app.NextAsync("work");
        await app.StopAsync();
        never.SetCanceled();
        app.OnTopic("work", TopicEventResponseStatus.Success);
        await app.StartAsync();
        Assert.Equal("the-one", (await app.NextAsync("work")).Event.Id);
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    /// <summary>Running events are redelivered, stored data is kept, and failed requests have no effect.</summary>
    private static async Task RedisComesBackWithItsDataAsync()
    {
        // Some are held by the workers, the others by the queue.
        const int UnderWay = 15;
        await using var redis = await RedisServer.StartAsync(durable: true);
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"), TestApp.Subscription("pubsub", "quiet"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis), app.Port);
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        for (var i = 0; i < UnderWay; i++) await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", $"before {i}"));
        await Poll.UntilAsync(async () => await redis.Database.PendingAsync("work", "app") == UnderWay);

        await redis.KillAsync();
        held.SetResult(new TopicEventResponse());
        await sidecar.LogsAsync("could not be acknowledged");
        Assert.Equal(UnderWay, (await IdsAsync(app, UnderWay)).Count);
        await EveryRequestFailsUntilTheEndOfTheOutageAsync(sidecar);
        await redis.ComeBackAsync(withData: true);
        await UntilServedAsync(sidecar);

        await sidecar.Dapr.PublishAsync("quiet", "2", metadata: ("cloudevent.id", "after"));
        Assert.Equivalent(Enumerable.Range(0, UnderWay).Select(i => $"before {i}").Append("after"), await IdsAsync(app, UnderWay + 1));
        foreach (var topic in (string[])["work", "quiet"]) await redis.Database.AllAcknowledgedAsync(topic, "app");
        Assert.Equal((UnderWay, 1), ((await redis.Database.StreamAsync("work")).Count, (await redis.Database.StreamAsync("quiet")).Count));
        Assert.Equal(("one", "1"), await sidecar.Dapr.GetAsync("store", "k"));
        await sidecar.Dapr.SaveAsync("store", Item("k", "two", etag: "1"));
    }

    /// <summary>The consumer groups are recreated; publishing and state work as before.</summary>
    private static async Task RedisComesBackEmptyAsync()
    {
        await using var redis = await RedisServer.StartAsync(durable: true);
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"), TestApp.Subscription("pubsub", "quiet"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis), app.Port);
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");

        await redis.KillAsync();
        await EveryRequestFailsUntilTheEndOfTheOutageAsync(sidecar);
        await redis.ComeBackAsync(withData: false);
        await UntilServedAsync(sidecar);

        await sidecar.Dapr.PublishAsync("work", "2");
        while ((await app.NextAsync("work")).Event.Data.ToStringUtf8() != "2") ;
        await sidecar.Dapr.PublishAsync("quiet", "3");
        Assert.Equal("3", (await app.NextAsync("quiet")).Event.Data.ToStringUtf8());
        foreach (var topic in (string[])["work", "quiet"]) await redis.Database.AllAcknowledgedAsync(topic, "app");
        Assert.Single(await redis.Database.StreamAsync("work"));
        Assert.Empty((await sidecar.Dapr.GetAsync("store", "k")).Value);
        await sidecar.Dapr.SaveAsync("store", Item("k", "two"));
        Assert.Equal(("two", "1"), await sidecar.Dapr.GetAsync("store", "k"));
    }

    private static async Task EveryRequestFailsUntilTheEndOfTheOutageAsync(Sidecar sidecar)
    {
        for (var since = Stopwatch.StartNew(); since.Elapsed < Outage;) await EveryRequestFailsAsync(sidecar);
    }

    private static string PubSubAndStore(RedisServer redis, string processingTimeout = "1s", string readTimeout = "0") =>
        Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", processingTimeout), ("redeliverInterval", "200"), ("readTimeout", readTimeout))
        + Yaml.Redis("store", "state.redis", redis, ("readTimeout", readTimeout));

    private static async Task EveryRequestFailsAsync(Sidecar sidecar)
    {
        var bulk = BulkGetFailsAsync(sidecar);
        var failures = await Task.WhenAll(
            Failure.OfAsync(() => sidecar.Dapr.PublishAsync("work", "lost")),
            Failure.OfAsync(() => PublishManyAsync(sidecar, "work", 100, "{}")),
            Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k")),
            Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "two"))),
            Failure.OfAsync(() => sidecar.Dapr.DeleteAsync("store", "k")),
            Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "two", etag: "1"))));
        // As in daprd, a delete and a write with an ETag report every failure of Redis as a conflict.
        Assert.Equal([.. Enumerable.Repeat(StatusCode.Internal, 4), StatusCode.Aborted, StatusCode.Aborted], failures.Select(f => f.StatusCode));
        await bulk;
    }

    private static async Task BulkGetFailsAsync(Sidecar sidecar)
    {
        var request = new GetBulkStateRequest { StoreName = "store", Keys = { "k" } };
        Assert.NotEmpty(Assert.Single((await sidecar.Dapr.GetBulkStateAsync(request)).Items).Error);
    }

    /// <summary>daprd still fails requests for about a second after the restart of Redis.</summary>
    private static Task UntilServedAsync(Sidecar sidecar) => Poll.UntilAsync(async () =>
        await Record.ExceptionAsync(() => sidecar.Dapr.PublishAsync("probe", "1")) is null
            && await Record.ExceptionAsync(() => sidecar.Dapr.GetAsync("store", "probe")) is null);

    private static async Task PublishManyAsync(Sidecar sidecar, string topic, int count, string data)
    {
        var payload = ByteString.CopyFromUtf8(data);
        foreach (var ids in Enumerable.Range(0, count).Chunk(100))
        {
            var request = new BulkPublishRequest { PubsubName = "pubsub", Topic = topic };
            request.Entries.Add(ids.Select(id => new BulkPublishRequestEntry { EntryId = $"{id}", Event = payload, ContentType = PubSubCalls.Json }));
            await sidecar.Dapr.BulkPublishEventAsync(request);
        }
    }

    /// <summary>Receives events until there are <paramref name="count"/> distinct ids.</summary>
    private static async Task<HashSet<string>> IdsAsync(TestApp app, int count)
    {
        var ids = new HashSet<string>();
        while (ids.Count < count) ids.Add((await app.NextAsync()).Event.Id);
        return ids;
    }
}
