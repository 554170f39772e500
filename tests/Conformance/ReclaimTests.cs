using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>pubsub.redis reclaims messages that were read and not acknowledged within the processing timeout.</summary>
public sealed class ReclaimTests : IAsyncLifetime
{
    private RedisServer redis = null!;

    public async Task InitializeAsync() => redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await redis.DisposeAsync();

    [Fact]
    public async Task An_unacknowledged_event_of_a_killed_sidecar_is_reclaimed_by_the_next_one()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var gate = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => gate.Task);
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "200"), ("redeliverInterval", "100"));
        await using var first = await Sidecar.StartAsync("app", components, app.Port);
        await first.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "the-one"));
        await app.NextAsync("work");
        await first.KillAsync();
        Assert.Equal(1, await redis.Database.PendingAsync("work", "app"));
        app.OnTopic("work", TopicEventResponseStatus.Success);
        await using var second = await Sidecar.StartAsync("app", components, app.Port);
        Assert.Equal("the-one", (await app.NextAsync("work")).Event.Id);
        await redis.Database.AllAcknowledgedAsync("work", "app");
        gate.SetResult(new TopicEventResponse());
    }

    [Fact]
    public async Task An_event_that_fails_after_the_processing_timeout_is_not_acknowledged_and_redelivered()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var calls = 0;
        var again = new TaskCompletionSource();
        app.OnTopic("work", async _ =>
        {
            if (Interlocked.Increment(ref calls) > 1)
            {
                again.TrySetResult();
                return new TopicEventResponse();
            }

            // Fail only after the reclaimed event has been delivered a second time.
            await again.Task;
            throw new RpcException(new Status(StatusCode.Internal, "configured by the test"));
        });
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "500ms"), ("redeliverInterval", "100"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "the-one"));
        Assert.Equal(("the-one", "the-one"), ((await app.NextAsync("work")).Event.Id, (await app.NextAsync("work")).Event.Id));
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Theory]
    [InlineData("200", "0")]
    [InlineData("0", "100")]
    public async Task Without_redelivery_an_unacknowledged_event_stays_pending(string processingTimeout, string redeliverInterval)
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"), TestApp.Subscription("pubsub", "after"));
        await redis.Database.MakePendingAsync("work", "app", await redis.Database.AddReadAsync("work", "app"), idle: TimeSpan.FromHours(1));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", processingTimeout), ("redeliverInterval", redeliverInterval));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("after", "2");
        Assert.Equal("after", (await app.NextAsync()).Event.Topic);
        Assert.Equal(1, await redis.Database.PendingAsync("work", "app"));
    }

    [Fact]
    public async Task The_default_processing_timeout_is_a_minute()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var id = await redis.Database.AddReadAsync("work", "app");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("redeliverInterval", "100")), app.Port);
        var since = Stopwatch.StartNew();
        await redis.Database.MakePendingAsync("work", "app", id, idle: TimeSpan.FromSeconds(58.5));
        await app.NextAsync("work");
        Assert.True(since.Elapsed > TimeSpan.FromSeconds(1.4), $"{since.Elapsed}");
    }

    [Fact]
    public async Task An_idle_event_behind_younger_ones_is_reclaimed_only_when_it_is_among_the_first_queue_depth_entries()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        List<string> ids = [await redis.Database.AddReadAsync("work", "app")];
        foreach (var id in new[] { "young", "old" })
        {
            ids.Add((string)(await redis.Database.ExecuteAsync(
                "XADD", "work", "*", "data", $$"""{"id":"{{id}}","datacontenttype":"application/json","data":1}"""))!);
        }
        await redis.Database.ExecuteAsync("XGROUP", "SETID", "work", "app", "$");
        for (var at = 0; at < 3; at++) await redis.Database.MakePendingAsync("work", "app", ids[at], idle: TimeSpan.FromHours(at < 2 ? 0 : 1));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "10m"), ("redeliverInterval", "50"), ("queueDepth", "2"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        var waiting = app.NextAsync();
        await Poll.UntilAsync(async () => await redis.Database.CallsAsync("xpending") >= 4);
        Assert.False(waiting.IsCompleted);

        await redis.Database.StreamAcknowledgeAsync("work", "app", ids[0]);
        Assert.Equal("old", (await waiting).Event.Id);
    }

    [Fact]
    public async Task An_event_queued_longer_than_the_processing_timeout_is_delivered_twice()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "500"), ("redeliverInterval", "100"), ("concurrency", "1"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "held"));
        await app.NextAsync("work");
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "waiting"));
        await Poll.UntilAsync(async () => await DeliveriesAsync() >= 2);
        held.SetResult(new TopicEventResponse());
        var waiting = 0;
        while (waiting < 2) if ((await app.NextAsync("work")).Event.Id == "waiting") waiting++;
        await redis.Database.AllAcknowledgedAsync("work", "app");

        async Task<long> DeliveriesAsync()
        {
            var pending = (RedisResult[])(await redis.Database.ExecuteAsync("XPENDING", "work", "app", "-", "+", 2))!;
            return pending.Length == 2 ? (long)((RedisResult[])pending[1]!)[3] : 0;
        }
    }

    [Fact]
    public async Task An_event_in_endless_retry_is_reclaimed_by_a_second_worker_after_the_processing_timeout()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => never.Task);
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "200"), ("redeliverInterval", "100")) + Yaml.Retries("pubsub", -1);
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "poison"));
        Assert.Equal(("poison", "poison"), ((await app.NextAsync("work")).Event.Id, (await app.NextAsync("work")).Event.Id));
        app.OnTopic("work", TopicEventResponseStatus.Success);
        never.SetResult(new TopicEventResponse());
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Fact]
    public async Task A_reclaimed_event_that_was_trimmed_is_acknowledged()
    {
        await redis.Database.MakePendingAsync("work", "app", await redis.Database.AddReadAsync("work", "app"), idle: TimeSpan.FromHours(1));
        await redis.Database.ExecuteAsync("XTRIM", "work", "MAXLEN", 0);
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Fact]
    public async Task A_failure_after_the_processing_timeout_is_acknowledged_without_redelivery_interval()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"), TestApp.Subscription("pubsub", "after"));
        app.OnTopic("work", async _ =>
        {
            await Poll.UntilAsync(async () => await IdleMillisecondsAsync() >= 400);
            throw new RpcException(new Status(StatusCode.Internal, "configured by the test"));
        });
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "200"), ("redeliverInterval", "0"), ("concurrency", "1"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        // The only worker handles this event after the failure.
        await sidecar.Dapr.PublishAsync("after", "2");
        await app.NextAsync("after");
        Assert.Equal(0, await redis.Database.PendingAsync("work", "app"));
    }

    /// <summary>The idle time of the only pending message of the topic.</summary>
    private async Task<long> IdleMillisecondsAsync()
    {
        var pending = (RedisResult[])(await redis.Database.ExecuteAsync("XPENDING", "work", "app", "-", "+", 1))!;
        return (long)((RedisResult[])pending.Single()!)[2];
    }
}
