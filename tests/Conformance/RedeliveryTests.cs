using System.Diagnostics;
using System.Text.RegularExpressions;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Events that come more than once, or late: by policy, after a crash, after a pause of the app.</summary>
public sealed class RedeliveryTests : IAsyncLifetime
{
    private RedisServer redis = null!;

    public async Task InitializeAsync() => redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await redis.DisposeAsync();

    [Fact]
    public async Task A_policy_tries_again_as_often_as_it_says_and_then_gives_up_to_the_dead_letter_topic()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + Yaml.Retries("pubsub", 2), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        var topics = new List<string>();
        for (var i = 0; i < 4; i++) topics.Add((await app.NextAsync()).Event.Topic);
        Assert.Equal(["work", "work", "work", "dead"], topics);
    }

    [Fact]
    public async Task A_policy_ends_with_the_first_success()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        var calls = 0;
        app.OnTopic("work", _ => Task.FromResult(new TopicEventResponse { Status = ++calls < 3 ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success }));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + Yaml.Retries("pubsub", 9), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        for (var i = 0; i < 3; i++) await app.NextAsync("work");
        await redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Equal(3, calls);
        Assert.Empty(await redis.Database.StreamAsync("dead"));
    }

    [Theory]
    [InlineData(StatusCode.NotFound, 1)]
    [InlineData(StatusCode.Unavailable, 3)]
    public async Task A_policy_tries_again_only_after_the_codes_it_names(StatusCode code, int attempts)
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        var calls = 0;
        app.OnTopic("work", _ =>
        {
            calls++;
            throw new RpcException(new Status(code, "as the test wants it"));
        });
        var policy = Yaml.Retries("pubsub", 2, matching: ", matching: {gRPCStatusCodes: \"1-3,14\"}");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + policy, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("dead");
        Assert.Equal(attempts, calls);
    }

    [Fact]
    public async Task A_policy_that_names_codes_tries_again_all_the_same_when_the_app_asks_for_it()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        var policy = Yaml.Retries("pubsub", 2, matching: ", matching: {gRPCStatusCodes: \"14\"}");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + policy, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        for (var attempt = 0; attempt < 3; attempt++) Assert.Equal("work", (await app.NextAsync()).Event.Topic);
        Assert.Equal("dead", (await app.NextAsync()).Event.Topic);
    }

    [Theory]
    [InlineData("DefaultPubsubComponentInboundRetryPolicy", "{}", 3)]
    [InlineData("DefaultComponentInboundRetryPolicy", "{}", 3)]
    [InlineData("DefaultRetryPolicy", "{}", 3)]
    [InlineData("DefaultStatestoreComponentInboundRetryPolicy", "{}", 1)]
    [InlineData("DefaultComponentOutboundRetryPolicy", "{}", 1)]
    [InlineData("DefaultComponentInboundRetryPolicy", "{components: {other: {inbound: {retry: DefaultComponentInboundRetryPolicy}}}}", 3)]
    [InlineData("DefaultComponentInboundRetryPolicy", "{components: {pubsub: {outbound: {retry: DefaultComponentInboundRetryPolicy}}}}", 1)]
    [InlineData("DefaultComponentInboundRetryPolicy", "{}\nscopes: [other]", 1)]
    public async Task A_policy_is_found_by_its_name_where_the_component_is_not_listed(string name, string targets, int attempts)
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        var policy = Yaml.Resiliency($"{{retries: {{{name}: {{duration: 1ms, maxRetries: 2}}}}}}", "{}").Replace("targets: {}", "targets: " + targets.Split('\n')[0]);
        if (targets.Contains('\n')) policy += targets.Split('\n')[1] + "\n";
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + policy, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        for (var attempt = 0; attempt < attempts; attempt++) Assert.Equal("work", (await app.NextAsync()).Event.Topic);
        Assert.Equal("dead", (await app.NextAsync()).Event.Topic);
    }

    [Fact]
    public async Task An_exponential_policy_begins_with_half_a_second_whatever_its_longest_interval_is()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        var policy = Yaml.Resiliency("{retries: {again: {policy: exponential, maxInterval: 1ms, maxRetries: 3}}}", "{components: {pubsub: {inbound: {retry: again}}}}");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + policy, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        var since = Stopwatch.StartNew();
        await app.NextAsync("work");
        // Half a second, give or take a half of it.
        Assert.True(since.Elapsed > TimeSpan.FromMilliseconds(240), $"{since.Elapsed}");
        Assert.Equal(["work", "work", "dead"], new[] { (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic });
    }

    [Fact]
    public async Task An_app_that_takes_too_long_is_left_and_asked_again()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"), TestApp.Wants("pubsub", "dead"));
        var never = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => never.Task);
        // The first call of a sidecar to its app can take some hundred milliseconds, and one that is given up on its way is never seen there.
        var policy = Yaml.Resiliency(
            "{timeouts: {soon: 2s}, retries: {again: {duration: 1ms, maxRetries: 1}}}", "{components: {pubsub: {inbound: {timeout: soon, retry: again}}}}");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + policy, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.Equal(["work", "work", "dead"], new[] { (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic });
        never.SetCanceled();
    }

    [Fact]
    public async Task What_a_killed_sidecar_left_unfinished_is_taken_back_by_the_next()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
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
    public async Task What_fails_after_the_processing_timeout_is_not_acknowledged_and_comes_again()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var calls = 0;
        var again = new TaskCompletionSource();
        app.OnTopic("work", async _ =>
        {
            if (Interlocked.Increment(ref calls) > 1)
            {
                again.TrySetResult();
                return new TopicEventResponse();
            }

            // As long as the event itself, taken back meanwhile, needs to be here once more.
            await again.Task;
            throw new RpcException(new Status(StatusCode.Internal, "as the test wants it"));
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
    public async Task What_was_read_and_never_handled_stays_pending_where_nothing_is_taken_back(string processingTimeout, string redeliverInterval)
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"), TestApp.Wants("pubsub", "after"));
        await redis.Database.LeaveAsync("work", "app", await redis.Database.AddReadAsync("work", "app"), idle: TimeSpan.FromHours(1));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", processingTimeout), ("redeliverInterval", redeliverInterval));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("after", "2");
        Assert.Equal("after", (await app.NextAsync()).Event.Topic);
        Assert.Equal(1, await redis.Database.PendingAsync("work", "app"));
    }

    [Fact]
    public async Task What_nobody_says_otherwise_about_is_taken_back_once_it_was_left_for_a_minute()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var id = await redis.Database.AddReadAsync("work", "app");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("redeliverInterval", "100")), app.Port);
        var since = Stopwatch.StartNew();
        await redis.Database.LeaveAsync("work", "app", id, idle: TimeSpan.FromSeconds(57));
        await app.NextAsync("work");
        Assert.True(since.Elapsed > TimeSpan.FromSeconds(2.9), $"{since.Elapsed}");
    }

    [Fact]
    public async Task What_was_left_is_looked_for_every_15_s_also_where_the_interval_is_not_a_plain_number()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "silent"), TestApp.Wants("worded", "worded"));
        var (silent, worded) = (await redis.Database.AddReadAsync("silent", "app"), await redis.Database.AddReadAsync("worded", "app"));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "1s"))
            + Yaml.Redis("worded", "pubsub.redis", redis, ("processingTimeout", "1s"), ("redeliverInterval", "100ms"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        // The first look is for what was left before the start.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!((string)(await redis.Database.ExecuteAsync("INFO", "commandstats"))!).Contains("cmdstat_xpending:calls=2,")) limit.Token.ThrowIfCancellationRequested();

        var since = Stopwatch.StartNew();
        await redis.Database.LeaveAsync("silent", "app", silent, idle: TimeSpan.FromHours(1));
        await redis.Database.LeaveAsync("worded", "app", worded, idle: TimeSpan.FromHours(1));
        for (var i = 0; i < 2; i++)
        {
            await app.NextAsync();
            Assert.True(since.Elapsed > TimeSpan.FromSeconds(10), $"{since.Elapsed}");
        }
    }

    [Fact]
    public async Task What_was_left_waits_behind_as_many_younger_ones_as_a_look_takes_in()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        List<string> ids = [await redis.Database.AddReadAsync("work", "app")];
        foreach (var id in new[] { "young", "old" })
        {
            ids.Add((string)(await redis.Database.ExecuteAsync("XADD", "work", "*", "data", $$"""{"id":"{{id}}","datacontenttype":"application/json","data":1}"""))!);
        }
        await redis.Database.ExecuteAsync("XGROUP", "SETID", "work", "app", "$");
        for (var at = 0; at < 3; at++) await redis.Database.LeaveAsync("work", "app", ids[at], idle: TimeSpan.FromHours(at < 2 ? 0 : 1));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "10m"), ("redeliverInterval", "50"), ("queueDepth", "2"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        var waiting = app.NextAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await LooksAsync() < 4) limit.Token.ThrowIfCancellationRequested();
        Assert.False(waiting.IsCompleted);

        await redis.Database.StreamAcknowledgeAsync("work", "app", ids[0]);
        Assert.Equal("old", (await waiting).Event.Id);

        async Task<int> LooksAsync() =>
            Regex.Match((string)(await redis.Database.ExecuteAsync("INFO", "commandstats"))!, @"cmdstat_xpending:calls=(\d+)") is { Success: true } looks ? int.Parse(looks.Groups[1].Value) : 0;
    }

    [Fact]
    public async Task What_waits_for_a_worker_longer_than_the_processing_timeout_comes_twice()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "500"), ("redeliverInterval", "100"), ("concurrency", "1"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "held"));
        await app.NextAsync("work");
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "waiting"));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await DeliveriesAsync() < 2) limit.Token.ThrowIfCancellationRequested();
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
    public async Task What_is_tried_without_end_begins_again_on_a_second_worker_after_the_processing_timeout()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
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
    public async Task What_was_trimmed_away_before_it_could_be_taken_back_is_acknowledged()
    {
        await redis.Database.LeaveAsync("work", "app", await redis.Database.AddReadAsync("work", "app"), idle: TimeSpan.FromHours(1));
        await redis.Database.ExecuteAsync("XTRIM", "work", "MAXLEN", 0);
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Fact]
    public async Task With_one_worker_events_keep_their_order_also_when_some_are_tried_again()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var tried = new HashSet<string>();
        app.OnTopic("work", got => Task.FromResult(new TopicEventResponse
        {
            Status = tried.Add(got.Id) ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success,
        }));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "1")) + Yaml.Retries("pubsub", 3);
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        for (var i = 0; i < 20; i++) await sidecar.Dapr.PublishAsync("work", $"{i}");
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(($"{i}", $"{i}"), ((await app.NextAsync()).Event.Data.ToStringUtf8(), (await app.NextAsync()).Event.Data.ToStringUtf8()));
        }
    }

    [Fact]
    public async Task What_may_not_be_published_to_the_dead_letter_topic_is_acknowledged_and_lost()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work", "dead"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("publishingScopes", "app=work")), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await redis.Database.AllAcknowledgedAsync("work", "app");
        Assert.Empty(await redis.Database.StreamAsync("dead"));
    }

    [Fact]
    public async Task A_failure_after_the_processing_timeout_is_acknowledged_where_nothing_is_looked_for()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"), TestApp.Wants("pubsub", "after"));
        app.OnTopic("work", async _ =>
        {
            while (await IdleMillisecondsAsync() < 400) ;
            throw new RpcException(new Status(StatusCode.Internal, "as the test wants it"));
        });
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "200"), ("redeliverInterval", "0"), ("concurrency", "1"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        // The one worker is free again when the failure has been dealt with.
        await sidecar.Dapr.PublishAsync("after", "2");
        await app.NextAsync("after");
        Assert.Equal(0, await redis.Database.PendingAsync("work", "app"));
    }

    [Fact]
    public async Task All_topics_of_a_component_share_its_workers()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "slow"), TestApp.Wants("pubsub", "other"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("slow", _ => held.Task);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("concurrency", "1")), app.Port);
        await sidecar.Dapr.PublishAsync("slow", "1");
        await app.NextAsync("slow");
        await sidecar.Dapr.PublishAsync("other", "2");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await redis.Database.PendingAsync("other", "app") == 0) limit.Token.ThrowIfCancellationRequested();
        var waiting = app.NextAsync();
        Assert.False(waiting.IsCompleted);
        held.SetResult(new TopicEventResponse());
        Assert.Equal("other", (await waiting).Event.Topic);
    }

    [Fact]
    public async Task An_event_for_an_app_that_is_down_is_acknowledged_and_lost()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "plain"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        await app.StopAsync();
        await sidecar.Dapr.PublishAsync("plain", "lost");
        await redis.Database.AllAcknowledgedAsync("plain", "app");
        await app.StartAsync();
        // What comes right after the app's return may be lost, too: daprd waits a while before it connects again.
        Task<Received> next = app.NextAsync("plain");
        for (var i = 0; !next.IsCompleted; i++)
        {
            await sidecar.Dapr.PublishAsync("plain", $"{i}");
            await redis.Database.AllAcknowledgedAsync("plain", "app");
        }

        Assert.NotEqual("\"lost\"", (await next).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task An_event_that_is_tried_again_holds_up_no_other_of_its_topic()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        var cured = false;
        app.OnTopic("work", got => Task.FromResult(new TopicEventResponse
        {
            Status = got.Id == "poison" && !cured ? TopicEventResponseStatus.Retry : TopicEventResponseStatus.Success,
        }));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + Yaml.Retries("pubsub", -1), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1", metadata: ("cloudevent.id", "poison"));
        await app.NextAsync("work");
        await sidecar.Dapr.PublishAsync("work", "2", metadata: ("cloudevent.id", "later"));
        while ((await app.NextAsync("work")).Event.Id != "later") ;
        Assert.Equal("poison", (await app.NextAsync("work")).Event.Id);
        cured = true;
        await redis.Database.AllAcknowledgedAsync("work", "app");
    }

    [Fact]
    public async Task A_new_group_hears_everything_the_stream_still_has()
    {
        await using var publisher = await Sidecar.StartAsync("publisher", Yaml.Redis("pubsub", "pubsub.redis", redis));
        await publisher.Dapr.PublishAsync("work", "1");
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        Assert.Equal("1", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_stream_that_vanishes_is_subscribed_to_again()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        await sidecar.Dapr.PublishAsync("work", "1");
        await app.NextAsync("work");
        await redis.Database.ExecuteAsync("DEL", "work");
        await sidecar.Dapr.PublishAsync("work", "2");
        Assert.Equal("2", (await app.NextAsync("work")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task An_app_whose_health_is_checked_hears_nothing_before_it_is_well_though_its_sidecar_is_initialized()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
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
    // It says that it cannot tell: that is not well.
    [InlineData(StatusCode.Unimplemented)]
    public async Task An_unhealthy_app_hears_nothing_until_it_is_well_again(StatusCode answer)
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
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
        // It is called all the same.
        var said = await new Echo.EchoClient(sidecar.Channel).SayAsync(new EchoMessage { Text = "hello" }, new Metadata { { "dapr-app-id", "app" } });
        Assert.Equal("hello", said.Text);
        Assert.False(waiting.IsCompleted);
        app.IsHealthy = true;
        Assert.Equal("1", (await waiting).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_declared_subscription_counts_unless_the_app_says_otherwise()
    {
        const string declared = """
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
        var bare = TestApp.Wants("pubsub", "bare");
        bare.Routes = null;
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"), bare);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("pubsub", "pubsub.redis", redis) + declared, app.Port);
        Assert.DoesNotContain("theirs", (await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions.Select(s => s.Topic));
        foreach (var topic in (string[])["unrouted", "lettered"])
        {
            // Without a route nothing is delivered, and it counts as handled.
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
    public async Task A_subscription_that_routes_by_an_expression_is_refused_by_name_and_the_others_are_served()
    {
        const string declared = """
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: choosy}
            spec: {pubsubname: pubsub, topic: declared, routes: {rules: [{match: 'event.type == "a"', path: /a}], default: /b}}
            """;
        var choosy = TestApp.Wants("pubsub", "asked");
        choosy.Routes.Rules.Add(new TopicRule { Match = "event.type == 'a'", Path = "/a" });
        await using var app = await TestApp.StartAsync(choosy, TestApp.Wants("pubsub", "work"));
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory") + declared, app.Port);
        foreach (var topic in (string[])["declared", "asked"])
        {
            await sidecar.SaysAsync($"topic {topic} of pubsub cannot be subscribed to: routing by CEL expressions is not in this stand-in");
        }

        Assert.Equal("work", Assert.Single((await sidecar.Dapr.GetMetadataAsync(new())).Subscriptions).Topic);
    }

    /// <summary>How long ago the only pending message of the topic was read.</summary>
    private async Task<long> IdleMillisecondsAsync()
    {
        var pending = (RedisResult[])(await redis.Database.ExecuteAsync("XPENDING", "work", "app", "-", "+", 1))!;
        return (long)((RedisResult[])pending.Single()!)[2];
    }
}
