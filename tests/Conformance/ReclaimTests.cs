using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>pubsub.redis reclaims messages that were read and not acknowledged within the processing timeout.</summary>
public sealed class ReclaimTests : OnOwnRedis
{
    [Fact]
    public async Task An_unacknowledged_event_of_a_killed_sidecar_is_reclaimed_by_the_next_one()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var gate = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => gate.Task);
        var components = PubSub(("processingTimeout", "200"), ("redeliverInterval", "100"));
        await using var first = await Sidecar.StartAsync("app", components, app.Port);
        await first.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "the-one"));
        await app.NextAsync("work");
        await first.KillAsync();
        Assert.Equal(1, await Redis.Database.PendingAsync("work", "app"));
        app.OnTopic("work", TopicEventResponseStatus.Success);
        await using var second = await Sidecar.StartAsync("app", components, app.Port);
        Assert.Equal("the-one", (await app.NextAsync("work")).Event.Id);
        await Redis.Database.AllAcknowledgedAsync("work", "app");
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
        var components = PubSub(("processingTimeout", "500ms"), ("redeliverInterval", "100"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "the-one"));
        Assert.Equal(("the-one", "the-one"), ((await app.NextAsync("work")).Event.Id, (await app.NextAsync("work")).Event.Id));
        await Redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Theory]
    [InlineData("200", "0")]
    [InlineData("0", "100")]
    public async Task Without_redelivery_an_unacknowledged_event_stays_pending(string processingTimeout, string redeliverInterval)
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"), TestApp.Subscription("pubsub", "after"));
        await Redis.Database.MakePendingAsync("work", "app", await Redis.Database.AddReadAsync("work", "app"), idle: TimeSpan.FromHours(1));
        var components = PubSub(("processingTimeout", processingTimeout), ("redeliverInterval", redeliverInterval));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("after", "2");
        Assert.Equal("after", (await app.NextAsync()).Event.Topic);
        Assert.Equal(1, await Redis.Database.PendingAsync("work", "app"));
    }

    [Fact]
    public async Task An_event_queued_longer_than_the_processing_timeout_is_delivered_twice()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        var components = PubSub(("processingTimeout", "500"), ("redeliverInterval", "100"), ("concurrency", "1"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "held"));
        await app.NextAsync("work");
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "waiting"));
        await Poll.UntilAsync(async () => await DeliveriesAsync() >= 2);
        held.SetResult(new TopicEventResponse());
        var waiting = 0;
        while (waiting < 2) if ((await app.NextAsync("work")).Event.Id == "waiting") waiting++;
        await Redis.Database.AllAcknowledgedAsync("work", "app");

        async Task<long> DeliveriesAsync()
        {
            var pending = (RedisResult[])(await Redis.Database.ExecuteAsync("XPENDING", "work", "app", "-", "+", 2))!;
            return pending.Length == 2 ? (long)((RedisResult[])pending[1]!)[3] : 0;
        }
    }

    [Fact]
    public async Task A_reclaimed_event_that_was_trimmed_is_acknowledged()
    {
        await Redis.Database.MakePendingAsync("work", "app", await Redis.Database.AddReadAsync("work", "app"), idle: TimeSpan.FromHours(1));
        await Redis.Database.ExecuteAsync("XTRIM", "work", "MAXLEN", 0);
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(), app.Port);
        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
        await Redis.Database.AllAcknowledgedAsync("work", "app");
    }
}
