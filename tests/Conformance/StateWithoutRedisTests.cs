using Grpc.Core;
using static Conformance.StateCalls;

namespace Conformance;

/// <summary>State calls without Redis, and without a store.</summary>
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

    [Fact]
    public async Task A_request_without_any_configured_store_is_a_failed_precondition()
    {
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory"));
        var failure = await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"));
        Assert.Equal((StatusCode.FailedPrecondition, "state store store is not configured"), (failure.StatusCode, failure.Status.Detail));
    }
}
