using System.Diagnostics;

namespace Conformance;

/// <summary>The default redelivery interval. A class of its own, so that its wait of 15 s runs in parallel with other tests.</summary>
public sealed class RedeliveryIntervalTests : OnOwnRedis
{
    [Fact]
    public async Task The_default_redelivery_interval_is_15_s_also_for_a_value_that_is_not_a_plain_number()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "silent"), TestApp.Subscription("worded", "worded"));
        var (silent, worded) = (await Redis.Database.AddReadAsync("silent", "app"), await Redis.Database.AddReadAsync("worded", "app"));
        var components = PubSub(("processingTimeout", "1s"))
            + Yaml.Redis("worded", "pubsub.redis", Redis, ("processingTimeout", "1s"), ("redeliverInterval", "100ms"));
        await using var sidecar = await Sidecar.StartAsync("app", components, app.Port);
        // Wait for the first search of each component, at the start.
        await Poll.UntilAsync(async () => await Redis.Database.CallsAsync("xpending") >= 2);

        var since = Stopwatch.StartNew();
        await Redis.Database.MakePendingAsync("silent", "app", silent, idle: TimeSpan.FromHours(1));
        await Redis.Database.MakePendingAsync("worded", "app", worded, idle: TimeSpan.FromHours(1));
        for (var i = 0; i < 2; i++)
        {
            await app.NextAsync();
            Assert.True(since.Elapsed > TimeSpan.FromSeconds(3), $"{since.Elapsed}");
        }
    }
}
