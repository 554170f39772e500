using Integration.Chaos;
using Shop;
using Shop.Audits;
using Shop.Load;

namespace Integration;

/// <summary>The audit of a shop at work whose sidecars are killed.</summary>
[Collection(nameof(Sequential))]
public sealed class AuditUnderKillsTests
{
    private const int OrdersBetween = 40;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Sidecars_that_die_in_the_middle_leave_nothing_that_is_called_broken_and_in_the_end_all_holds()
    {
        await using var shop = await ChaosShop.OpenAsync([1, 1, 1, 1], ChaosShop.Deadline);
        var (catalog, stats) = (new TestCatalog(), new LoadStats());
        await catalog.CreateAsync(shop.Clients, default);
        using var stop = new CancellationTokenSource();
        var customers = new LoadGenerator(shop.Clients, catalog, new LoadPlan(100_000, TimeSpan.FromMinutes(10), 8, 10), stats).RunAsync(stop.Token);
        foreach (var appId in (string[])["stock", "payments", "coupons"])
        {
            await ReachAsync(stats, stats.Placed.Percentiles.Count + OrdersBetween);
            await shop.Sidecars.Single(sidecar => shop.AppIdOf(sidecar) == appId).KillAsync(TimeSpan.Zero);
            await shop.WaitUntilReadyAsync();
            Assert.Empty((await AuditAsync(shop)).SelectMany(one => one.Breaches));
        }
        await stop.CancelAsync();
        await customers;

        for (var until = DateTime.UtcNow + Patience; ;)
        {
            var audit = await AuditAsync(shop);
            Assert.Empty(audit.SelectMany(one => one.Breaches));
            if (audit.All(one => one.Holds)) break;
            Assert.True(DateTime.UtcNow < until, string.Join('\n', audit.SelectMany(one => one.Discrepancies.Select(two => two.What))));
        }
    }

    private static Task<IReadOnlyList<Invariant>> AuditAsync(ChaosShop shop) => AuditRunner.RunAsync(shop.Clients, ChaosShop.Deadline, _ => { }, default);

    private static async Task ReachAsync(LoadStats stats, int placed)
    {
        for (var until = DateTime.UtcNow + Patience; stats.Placed.Percentiles.Count < placed; await Task.Delay(50))
            Assert.True(DateTime.UtcNow < until, $"Only {stats.Placed.Percentiles.Count} orders were placed.");
    }
}
