using System.Diagnostics;

namespace Conformance;

/// <summary>The default redelivery interval. A class of its own, so that its wait of 15 s runs in parallel with other tests.</summary>
public sealed class RedeliveryIntervalTests : IAsyncLifetime
{
    private RedisServer redis = null!;

    public async Task InitializeAsync() => redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await redis.DisposeAsync();

    [Fact]
    public async Task The_default_redelivery_interval_is_15_s_also_for_a_value_that_is_not_a_plain_number()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "silent"), TestApp.Subscription("worded", "worded"));
        var (silent, worded) = (await redis.Database.AddReadAsync("silent", "app"), await redis.Database.AddReadAsync("worded", "app"));
        var components = Yaml.Redis("pubsub", "pubsub.redis", redis, ("processingTimeout", "1s"))
            + Yaml.Redis("worded", "pubsub.redis", redis, ("processingTimeout", "1s"), ("redeliverInterval", "100ms"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        // Wait for the first search of each component, at the start.
        await Poll.UntilAsync(async () => await redis.Database.CallsAsync("xpending") >= 2);

        var since = Stopwatch.StartNew();
        await redis.Database.MakePendingAsync("silent", "app", silent, idle: TimeSpan.FromHours(1));
        await redis.Database.MakePendingAsync("worded", "app", worded, idle: TimeSpan.FromHours(1));
        for (var i = 0; i < 2; i++)
        {
            await app.NextAsync();
            Assert.True(since.Elapsed > TimeSpan.FromSeconds(10), $"{since.Elapsed}");
        }
    }
}
