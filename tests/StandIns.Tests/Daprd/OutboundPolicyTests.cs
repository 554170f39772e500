using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;
using static StandIns.Daprd.StateCalls;

namespace StandIns.Daprd;

/// <summary>Resiliency policies on the way to a broker or a store.</summary>
public sealed class OutboundPolicyTests : IAsyncLifetime
{
    private const string TwoFailuresOpen = "{circuitBreakers: {trips: {trip: consecutiveFailures >= 2, timeout: 600s}}}";

    private RedisServer _redis = null!;

    public async Task InitializeAsync() => _redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await _redis.DisposeAsync();

    [Fact]
    public async Task Publishing_is_tried_again_until_it_succeeds()
    {
        await using var sidecar = await StartAsync("{retries: {again: {duration: 20ms}}}", "{outbound: {retry: again}}");
        await _redis.Database.StringSetAsync("work", "no stream");
        var publishing = sidecar.Dapr.PublishAsync("work", "1");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await RefusedAsync() < 2) limit.Token.ThrowIfCancellationRequested();
        Assert.False(publishing.IsCompleted);
        await _redis.Database.KeyDeleteAsync("work");
        await publishing;
        Assert.Single(await _redis.Database.StreamAsync("work"));
    }

    [Fact]
    public async Task Publishing_that_fails_for_good_is_internal()
    {
        await using var sidecar = await StartAsync("{retries: {again: {duration: 1ms, maxRetries: 2}}}", "{outbound: {retry: again}}");
        await _redis.Database.StringSetAsync("work", "no stream");
        var failure = await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("work", "1"));
        Assert.Equal((StatusCode.Internal, true, 3L), (failure.StatusCode, failure.HasReason("DAPR_PUBSUB_PUBLISH_MESSAGE"), await RefusedAsync()));
    }

    [Fact]
    public async Task A_transaction_that_fails_is_done_again_as_a_whole_and_what_it_did_before_with_it()
    {
        await using var sidecar = await StartAsync("{retries: {again: {duration: 1ms, maxRetries: 2}}}", "{outbound: {retry: again}}");
        await sidecar.Dapr.SaveAsync("store", Item("other", "there"));
        await Failure.OfAsync(() => sidecar.Dapr.TransactAsync("store", ("upsert", Item("k", "v")), ("upsert", Item("other", "v", etag: "7"))));
        Assert.Equal(("v", "3"), await sidecar.Dapr.GetAsync("store", "k"));
        var conflict = await Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("other", "v", etag: "7")));
        Assert.Equal(StatusCode.Aborted, conflict.StatusCode);
    }

    [Fact]
    public async Task What_a_timeout_gives_up_may_happen_all_the_same()
    {
        await using var sidecar = await StartAsync("{timeouts: {soon: 2s}}", "{outbound: {timeout: soon}}");
        await _redis.Database.ExecuteAsync("CLIENT", "PAUSE", 600_000, "WRITE");
        var publish = await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("work", "1"));
        var save = await Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "after")));
        await _redis.Database.ExecuteAsync("CLIENT", "UNPAUSE");
        Assert.Equal((StatusCode.Internal, StatusCode.Internal), (publish.StatusCode, save.StatusCode));
        Assert.Contains("context deadline exceeded", publish.Status.Detail);
        Assert.Contains("context deadline exceeded", save.Status.Detail);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await sidecar.Dapr.GetAsync("store", "k")).Value != "after") limit.Token.ThrowIfCancellationRequested();
        while ((await _redis.Database.StreamAsync("work")).Count == 0) limit.Token.ThrowIfCancellationRequested();
    }

    [Fact]
    public async Task An_open_breaker_is_internal_also_where_a_fault_of_redis_looks_like_a_conflict()
    {
        await using var sidecar = await StartAsync(TwoFailuresOpen, "{outbound: {circuitBreaker: trips}}");
        await _redis.KillAsync();
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(StatusCode.Aborted, (await Failure.OfAsync(() => sidecar.Dapr.DeleteAsync("store", "k"))).StatusCode);
            Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => sidecar.Dapr.PublishAsync("work", "1"))).StatusCode);
        }

        Func<Task>[] calls =
        [
            () => sidecar.Dapr.DeleteAsync("store", "k"), () => sidecar.Dapr.SaveAsync("store", Item("k", "v")), () => sidecar.Dapr.GetAsync("store", "k"),
            () => sidecar.Dapr.TransactAsync("store", ("delete", Item("k", ""))), () => sidecar.Dapr.PublishAsync("work", "1"),
        ];
        foreach (var call in calls)
        {
            var refused = await Failure.OfAsync(call);
            Assert.Equal(StatusCode.Internal, refused.StatusCode);
            Assert.Contains("circuit breaker is open", refused.Status.Detail);
        }
    }

    [Fact]
    public async Task Both_directions_of_a_component_share_one_breaker()
    {
        await using var app = await TestApp.StartAsync(TestApp.Wants("pubsub", "work"));
        app.OnTopic("work", TopicEventResponseStatus.Retry);
        const string AnyFailureOpens = "{circuitBreakers: {trips: {trip: totalFailures >= 1, timeout: 600s}}}";
        var policies = Yaml.Resiliency(AnyFailureOpens, "{components: {pubsub: {inbound: {circuitBreaker: trips}, outbound: {circuitBreaker: trips}}}}");
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory") + policies, app.Port);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            try
            {
                await sidecar.Dapr.PublishAsync("work", "1");
            }
            catch (RpcException refused)
            {
                Assert.Contains("circuit breaker is open", refused.Status.Detail);
                return;
            }
        }
    }

    /// <summary>How often Redis has refused a command for the type of its key.</summary>
    private async Task<long> RefusedAsync()
    {
        var lines = ((string)(await _redis.Database.ExecuteAsync("INFO", "errorstats"))!).Split('\n');
        var said = lines.FirstOrDefault(l => l.StartsWith("errorstat_WRONGTYPE:count="));
        return said is null ? 0 : long.Parse(said.Split('=')[1]);
    }

    private Task<Sidecar> StartAsync(string policies, string both) => Sidecar.StartAsync(
        "app",
        Yaml.Redis("pubsub", "pubsub.redis", _redis)
        + Yaml.Redis("store", "state.redis", _redis)
        + Yaml.Resiliency(policies, $"{{components: {{pubsub: {both}, store: {both}}}}}"));
}
