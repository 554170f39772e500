using Integration.Chaos;
using Shop;
using Shop.Audits;
using Shop.Load;

namespace Integration;

/// <summary>Audits of a shop under load whose sidecars are killed.</summary>
[Collection(nameof(OnSupervised))]
public sealed class AuditUnderKillsTests(SupervisedShop supervised)
{
    private const int OrdersBetweenKills = 40;

    private static readonly TimeSpan Timeout = SupervisedShop.Deadline + TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Killed_sidecars_break_no_invariant_and_in_the_end_all_hold()
    {
        var shop = supervised.Processes;
        await shop.WaitUntilReadyAsync();
        var (catalog, stats) = (new TestCatalog(), new LoadStats());
        await catalog.CreateAsync(shop.Clients, default);
        using var cts = new CancellationTokenSource();
        var load = new LoadGenerator(shop.Clients, catalog, new LoadPlan(100_000, TimeSpan.FromMinutes(10), 8, 10), stats).RunAsync(cts.Token);
        foreach (var appId in (string[])["stock", "payments", "coupons"])
        {
            await WaitForPlacedAsync(stats, stats.Placed.Percentiles.Count + OrdersBetweenKills);
            await shop.Sidecars.Single(sidecar => shop.GetAppId(sidecar) == appId).KillAsync(TimeSpan.Zero);
            await shop.WaitUntilReadyAsync();
            Assert.Empty((await AuditAsync(shop)).SelectMany(one => one.Violations));
        }
        await cts.CancelAsync();
        await load;

        for (var until = DateTime.UtcNow + Timeout; ;)
        {
            var audit = await AuditAsync(shop);
            Assert.Empty(audit.SelectMany(one => one.Violations));
            if (audit.All(one => one.Holds)) break;
            Assert.True(DateTime.UtcNow < until, string.Join('\n', audit.SelectMany(one => one.Discrepancies.Select(two => two.What))));
        }
    }

    private static Task<IReadOnlyList<Invariant>> AuditAsync(ChaosShop shop) => AuditRunner.RunAsync(shop.Clients, SupervisedShop.Deadline, _ => { }, default);

    private static async Task WaitForPlacedAsync(LoadStats stats, int placed)
    {
        for (var until = DateTime.UtcNow + Timeout; stats.Placed.Percentiles.Count < placed; await Task.Delay(50))
            Assert.True(DateTime.UtcNow < until, $"Only {stats.Placed.Percentiles.Count} orders were placed.");
    }
}
