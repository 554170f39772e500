using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using static Conformance.StateCalls;

namespace Conformance;

/// <summary>State calls without Redis, with connection failures, and without a store.</summary>
public sealed class StateWithoutRedisTests
{
    [Fact]
    public async Task Without_redis_a_delete_is_aborted_and_other_calls_are_internal_errors()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("store", "state.redis", redis));
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        await redis.KillAsync();
        Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"))).StatusCode);
        Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "two")))).StatusCode);
        Assert.Equal(StatusCode.Aborted, (await Failure.OfAsync(() => sidecar.Dapr.DeleteAsync("store", "k"))).StatusCode);
    }

    [StandInFact]
    public async Task Commands_are_retried_while_redis_loads_its_data()
    {
        using var redis = new LoadingRedis(commands: 2);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.redis", ("redisHost", redis.Address)));
        Assert.Equal(0, redis.Left);
        Assert.Empty((await sidecar.Dapr.GetAsync("store", "k")).Value);
    }

    [Fact]
    public async Task A_write_with_a_lost_reply_is_retried_and_with_an_etag_conflicts_with_itself()
    {
        await using var redis = await RedisServer.StartAsync();
        using var proxy = new BreakingProxy(redis);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.redis", ("redisHost", proxy.Address)));
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));

        proxy.DropReplyTo("EVAL");
        await sidecar.Dapr.SaveAsync("store", Item("k", "two"));
        Assert.True(proxy.IsDone);
        Assert.Equal(("two", "3"), await sidecar.Dapr.GetAsync("store", "k"));

        proxy.DropReplyTo("EVAL");
        Assert.Equal(StatusCode.Aborted, (await Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "three", "3")))).StatusCode);
        Assert.Equal(("three", "4"), await sidecar.Dapr.GetAsync("store", "k"));
    }

    [Fact]
    public async Task A_get_after_a_timeout_of_hgetall_fails_with_wrongtype()
    {
        await using var redis = await RedisServer.StartAsync();
        using var proxy = new BreakingProxy(redis);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.redis", ("redisHost", proxy.Address)));
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        // The first attempt and three retries.
        proxy.DropReplyTo("HGETALL", times: 4);
        var failure = await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Contains("WRONGTYPE Operation against a key holding the wrong kind of value", failure.Status.Detail);
        proxy.DropReplyTo("HGETALL", times: 4);
        var many = await sidecar.Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = "store", Keys = { "k", "missing" } });
        Assert.Contains("WRONGTYPE", many.Items[0].Error);
        Assert.Equal(("", 0), (many.Items[1].Error, many.Items[1].Data.Length));
        Assert.Equal(("one", "1"), await sidecar.Dapr.GetAsync("store", "k"));
    }

    [Fact]
    public async Task A_request_without_any_configured_store_is_a_failed_precondition()
    {
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory"));
        var failure = await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"));
        Assert.Equal((StatusCode.FailedPrecondition, "state store store is not configured"), (failure.StatusCode, failure.Status.Detail));
    }
}
