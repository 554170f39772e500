using System.Globalization;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using static StandIns.Daprd.StateCalls;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace StandIns.Daprd;

/// <summary>Servers, apps and sidecars that go away in the middle of the work and come back.</summary>
public sealed class SurvivalTests
{
    [Fact]
    public async Task A_redis_that_comes_back_with_its_data_has_lost_nothing_and_meanwhile_every_request_fails()
    {
        await using var redis = await RedisServer.StartAsync(durable: true);
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis), app.Port);
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "before"));
        await app.NextAsync("work");

        await redis.KillAsync();
        held.SetResult(new TopicEventResponse());
        await sidecar.SaysAsync("could not be acknowledged");
        await EveryRequestFailsAsync(sidecar);
        await redis.ComeBackAsync(withData: true);

        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "after"));
        Assert.Equal(["after", "before"], (await IdsAsync(app, 2)).Order());
        await redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Equal("one", (await sidecar.Dapr.GetAsync("store", "k")).Value);
    }

    [Fact]
    public async Task A_redis_that_comes_back_empty_gets_its_groups_anew_and_later_events_are_delivered()
    {
        await using var redis = await RedisServer.StartAsync(durable: true);
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"), TestApp.Wants("pubsub", "quiet"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");

        await redis.KillAsync();
        await EveryRequestFailsAsync(sidecar);
        await redis.ComeBackAsync(withData: false);

        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
        await sidecar.Dapr.PublishAsync("quiet", "3");
        Assert.Equal("3", (await app.NextAsync("quiet")).Event.Data.ToStringUtf8());
        Assert.Empty((await sidecar.Dapr.GetAsync("store", "k")).Value);
    }

    [Fact]
    public async Task A_redis_that_no_longer_answers_fails_requests_instead_of_holding_them_for_ever()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSubAndStore(redis, readTimeout: "200ms"), app.Port);

        redis.Signal("STOP");
        await EveryRequestFailsAsync(sidecar);
        redis.Signal("CONT");

        // What was sent may still be done now: only the answer was given up.
        await sidecar.Dapr.SaveAsync("store", Item("other", "one"));
        Assert.Equal("one", (await sidecar.Dapr.GetAsync("store", "other")).Value);
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "after"));
        while ((await app.NextAsync("work")).Event.Id != "after") ;
    }

    [Fact]
    public async Task What_a_killed_sidecar_has_read_and_nobody_has_handled_all_comes_back()
    {
        // As many as workers and their queue hold.
        const int Count = 110;
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => never.Task);
        await using var first = await Sidecar.StartAsync("app", PubSubAndStore(redis, processingTimeout: "1m"), app.Port);
        await PublishManyAsync(first, "work", Count, "{}");
        await UntilAsync(async () => await redis.Database.PendingAsync("work", "app") == Count);
        await first.KillAsync();
        never.SetCanceled();
        app.OnTopic("work", TopicEventResponseStatus.Success);
        await using var second = await Sidecar.StartAsync("app", PubSubAndStore(redis), app.Port);
        Assert.Equal(Count, (await IdsAsync(app, Count)).Count);
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Fact]
    public async Task An_event_whose_app_dies_while_handling_it_is_delivered_to_the_next_one_when_a_policy_retries()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
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

    [Fact]
    public async Task Ten_thousand_waiting_events_are_each_delivered_once_and_not_held_in_memory_all_together()
    {
        const int Count = 10_000, Bytes = 10_000;
        await using var redis = await RedisServer.StartAsync();
        await using (var publisher = await Sidecar.StartAsync("publisher", PubSubAndStore(redis)))
        {
            await PublishManyAsync(publisher, "work", Count, $"\"{new string('x', Bytes)}\"");
        }

        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var calls = 0;
        app.OnTopic("work", _ =>
        {
            Interlocked.Increment(ref calls);
            return Task.FromResult(new TopicEventResponse());
        });
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        Assert.Equal(Count, (await IdsAsync(app, Count)).Count);
        await redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Equal(Count, calls);
        Assert.InRange(PeakMegabytes(sidecar.Process.Id), 1, 175);
    }

    private static string PubSubAndStore(RedisServer redis, string processingTimeout = "1s", string readTimeout = "0") =>
        Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", processingTimeout), ("redeliverInterval", "200"), ("readTimeout", readTimeout))
        + Yaml.Redis("store", "state.redis", redis, ("readTimeout", readTimeout));

    private static async Task EveryRequestFailsAsync(Sidecar sidecar)
    {
        var bulk = new GetBulkStateRequest { StoreName = "store", Keys = { "k" } };
        var failures = await Task.WhenAll(
            Failure.OfAsync(() => sidecar.Dapr.PublishAsync("work", "lost")),
            Failure.OfAsync(() => PublishManyAsync(sidecar, "work", 100, "{}")),
            Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k")),
            Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "two"))),
            Failure.OfAsync(() => sidecar.Dapr.TransactAsync("store", ("upsert", Item("k", "two")))),
            Failure.OfAsync(() => sidecar.Dapr.DeleteAsync("store", "k")),
            Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "two", etag: "1"))));
        // A deletion, and a write with an etag, see a conflict in every failure of Redis: so does daprd.
        Assert.Equal([.. Enumerable.Repeat(StatusCode.Internal, 5), StatusCode.Aborted, StatusCode.Aborted], failures.Select(f => f.StatusCode));
        Assert.NotEmpty(Assert.Single((await sidecar.Dapr.GetBulkStateAsync(bulk)).Items).Error);
    }

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

    /// <summary>The ids of the next events, until there are so many different ones.</summary>
    private static async Task<HashSet<string>> IdsAsync(TestApp app, int count)
    {
        var ids = new HashSet<string>();
        while (ids.Count < count) ids.Add((await app.NextAsync()).Event.Id);
        return ids;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await condition()) limit.Token.ThrowIfCancellationRequested();
    }

    /// <summary>The most memory that the process ever had resident.</summary>
    private static int PeakMegabytes(int process)
    {
        var line = File.ReadLines($"/proc/{process}/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return int.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
    }
}
