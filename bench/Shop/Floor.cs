using System.Diagnostics;
using StackExchange.Redis;

namespace Bench;

/// <summary>
/// A lower bound for the cost of a saga: replays the Redis commands that daprd sends for one saga without a coupon, by one pipelined client,
/// without sidecars, services and gRPC. The shop can only be faster where sagas share commands.
/// </summary>
internal sealed class Floor(IDatabase redis)
{
    private const string Set =
        "local v=redis.call('HGET',KEYS[1],'version'); if type(v)~='string' or v==ARGV[1] or v=='' then "
        + "redis.call('HSET',KEYS[1],'data',ARGV[2]); return redis.call('HINCRBY',KEYS[1],'version',1) else return error('no') end";

    private static readonly string Order = new('o', 1_200), Shared = new('s', 300), Reservation = new('c', 250), Event = new('e', 700), Logged = new('l', 120);

    private readonly string run = Guid.NewGuid().ToString("N");

    /// <returns>Sagas per second.</returns>
    public async Task<double> RunAsync(int inFlight, TimeSpan measured)
    {
        foreach (var (topic, group) in Subscriptions) await redis.ExecuteAsync("XGROUP", "CREATE", $"floor-{run}-{topic}", group, "$", "MKSTREAM");
        var watch = Stopwatch.StartNew();
        long done = 0;
        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(async customer =>
        {
            for (var at = 0; watch.Elapsed < measured; at++)
            {
                await SagaAsync($"{customer}-{at}", $"{(customer + at * inFlight) % BenchCatalog.InitialProducts}");
                Interlocked.Increment(ref done);
            }
        }));
        return done / watch.Elapsed.TotalSeconds;
    }

    private static readonly (string Topic, string Group)[] Subscriptions =
    [
        ("order-created", "stock"), ("order-created", "payments"), ("order-created", "coupons"),
        ("stock-reserved", "orders"), ("payment-completed", "orders"), ("coupon-used", "orders"),
        ("order-confirmed", "stock"), ("order-confirmed", "payments"), ("order-confirmed", "coupons"),
    ];

    private async Task SagaAsync(string order, string thing)
    {
        await Task.WhenAll(ReadAsync($"product-{thing}"), ReadAsync($"account-{thing}"));
        await WriteAsync($"log-{order}", Logged);
        await WriteAsync($"order-{order}", Order);
        await PublishAsync("order-created");
        await Task.WhenAll(ReserveAsync("stock", "product", "stock-reserved"), ReserveAsync("payments", "account", "payment-completed"), SkipCouponAsync());
        foreach (var answer in (string[])["stock-reserved", "payment-completed", "coupon-used"])
        {
            await ConsumeAsync(answer, "orders");
            await ReadAsync($"order-{order}");
            await WriteAsync($"order-{order}", Order);
        }
        await redis.ExecuteAsync("EXPIRE", Key($"order-{order}"), 604800);
        await PublishAsync("order-confirmed");
        await Task.WhenAll(SettleAsync("stock", "product"), SettleAsync("payments", "account"), ConsumeAsync("order-confirmed", "coupons"));

        async Task ReserveAsync(string app, string shared, string answer)
        {
            await ConsumeAsync("order-created", app);
            await WriteAsync($"{app}-log-{order}", Logged);
            await ReadAsync($"{shared}-{thing}");
            await ReadAsync($"{app}-reservation-{order}");
            await WriteAsync($"{shared}-{thing}", Shared);
            await WriteAsync($"{app}-reservation-{order}", Reservation);
            await PublishAsync(answer);
        }

        async Task SkipCouponAsync()
        {
            await ConsumeAsync("order-created", "coupons");
            await PublishAsync("coupon-used");
        }

        async Task SettleAsync(string app, string shared)
        {
            await ConsumeAsync("order-confirmed", app);
            await ReadAsync($"{shared}-{thing}");
            await ReadAsync($"{app}-reservation-{order}");
            await WriteAsync($"{shared}-{thing}", Shared);
            await WriteAsync($"{app}-reservation-{order}", Reservation);
            await redis.ExecuteAsync("EXPIRE", Key($"{app}-reservation-{order}"), 604800);
        }
    }

    private string Key(string name) => $"floor-{run}-{name}";

    private Task<RedisResult> ReadAsync(string key) => redis.ExecuteAsync("HGETALL", Key(key));

    // Without the version check: there are no concurrent writes here.
    private Task<RedisResult> WriteAsync(string key, string value) => redis.ExecuteAsync("EVAL", Set.Replace("v==ARGV[1]", "true"), 1, Key(key), "1", value);

    private Task<RedisResult> PublishAsync(string topic) => redis.ExecuteAsync("XADD", $"floor-{run}-{topic}", "MAXLEN", "~", 100_000, "*", "data", Event);

    private async Task ConsumeAsync(string topic, string group)
    {
        var read = await redis.ExecuteAsync("XREADGROUP", "GROUP", group, "bench", "COUNT", 1, "STREAMS", $"floor-{run}-{topic}", ">");
        if (!read.IsNull) await redis.ExecuteAsync("XACK", $"floor-{run}-{topic}", group, (string)read[0][1][0][0]!);
    }
}
