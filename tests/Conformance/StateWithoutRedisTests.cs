using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using static Conformance.StateCalls;

namespace Conformance;

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
    public async Task A_value_that_could_not_be_read_in_time_is_said_to_be_of_the_wrong_kind()
    {
        await using var redis = await RedisServer.StartAsync();
        using var line = new BreakingLine(redis);
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("store", "state.redis", ("redisHost", line.Address)));
        await sidecar.Dapr.SaveAsync("store", Item("k", "one"));
        // As often as it is asked.
        line.LoseAnswerTo("HGETALL", times: 4);
        var failure = await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Contains("WRONGTYPE Operation against a key holding the wrong kind of value", failure.Status.Detail);
        line.LoseAnswerTo("HGETALL", times: 4);
        var many = await sidecar.Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = "store", Keys = { "k", "missing" } });
        Assert.Contains("WRONGTYPE", many.Items[0].Error);
        Assert.Equal(("", 0), (many.Items[1].Error, many.Items[1].Data.Length));
        Assert.Equal(("one", "1"), await sidecar.Dapr.GetAsync("store", "k"));
    }

    [Fact]
    public async Task Without_any_store_a_request_is_a_failed_precondition()
    {
        await using var sidecar = await Sidecar.StartAsync("app", Yaml.Component("pubsub", "pubsub.in-memory"));
        var failure = await Failure.OfAsync(() => sidecar.Dapr.GetAsync("store", "k"));
        Assert.Equal((StatusCode.FailedPrecondition, "state store store is not configured"), (failure.StatusCode, failure.Status.Detail));
    }
}
