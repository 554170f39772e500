using Grpc.Core;
using static StandIns.Daprd.StateCalls;

namespace StandIns.Daprd;

/// <summary>What a sidecar says when its store is gone, or was never there.</summary>
public sealed class StateWithoutRedisTests
{
    [Fact]
    public async Task A_redis_that_went_away_looks_like_a_conflict_to_deletions_and_like_a_fault_to_everything_else()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Redis("store", "state.redis", redis));
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        await redis.KillAsync();
        Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"))).StatusCode);
        Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "two")))).StatusCode);
        Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => sidecar.Dapr.TransactAsync("store", ("delete", Item("k", ""))))).StatusCode);
        Assert.Equal(StatusCode.Aborted, (await Failure.OfAsync(() => sidecar.Dapr.DeleteAsync("store", "k"))).StatusCode);
    }

    [StandInFact]
    public async Task A_redis_that_is_still_loading_its_data_is_asked_again()
    {
        using var redis = new LoadingRedis(commands: 2);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.redis", ("redisHost", redis.Address)));
        Assert.Equal(0, redis.Left);
        Assert.Empty((await sidecar.Dapr.GetAsync("store", "k")).Value);
    }

    [Fact]
    public async Task A_write_whose_answer_is_lost_is_done_twice_and_with_an_etag_looks_like_a_conflict_with_itself()
    {
        await using var redis = await RedisServer.StartAsync();
        using var line = new BreakingLine(redis);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.redis", ("redisHost", line.Address)));
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));

        line.LoseAnswerTo("EVAL");
        await sidecar.Dapr.SaveAsync("store", Item("k", "two"));
        Assert.True(line.IsWhole);
        Assert.Equal(("two", "3"), await sidecar.Dapr.GetAsync("store", "k"));

        line.LoseAnswerTo("EVAL");
        Assert.Equal(StatusCode.Aborted, (await Failure.OfAsync(() => sidecar.Dapr.SaveAsync("store", Item("k", "three", "3")))).StatusCode);
        Assert.Equal(("three", "4"), await sidecar.Dapr.GetAsync("store", "k"));
    }

    [Fact]
    public async Task Without_any_store_a_request_is_a_failed_precondition()
    {
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory"));
        var failure = await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"));
        Assert.Equal((StatusCode.FailedPrecondition, "state store store is not configured"), (failure.StatusCode, failure.Status.Detail));
        var http = await sidecar.Http.GetAsync("/v1.0/state/store/k");
        Assert.Equal(System.Net.HttpStatusCode.InternalServerError, http.StatusCode);
        Assert.Contains("ERR_STATE_STORE_NOT_CONFIGURED", await http.Content.ReadAsStringAsync());
    }
}
