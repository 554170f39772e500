using System.Globalization;
using Shop;
using Shop.Audits;
using Shop.V1;
using Xunit.Abstractions;

namespace Integration.Chaos;

/// <summary>Processes are killed and frozen and lose events while customers place orders; afterwards all orders are final and all records agree.</summary>
[Collection(nameof(Sequential))]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int CustomerCount = 16;

    /// <summary>The report of the last run, for test runners that hide the output of passing tests.</summary>
    private static readonly string ReportFile = Path.Combine(RunningShop.Root, "artifacts", "chaos.txt");

    /// <summary>
    /// Maximum time until all orders and reservations are final after the last fault: retried deliveries, the 20 s until the open orders of a dead
    /// process are taken over, the deadlines of orders and reservations, and the sweeps that follow.
    /// </summary>
    private static readonly TimeSpan QuiescenceTimeout = TimeSpan.FromSeconds(50 + 20) + 2 * ChaosShop.Deadline + 10 * ChaosShop.SweepPeriod;

    [Fact]
    public async Task No_order_is_lost_doubled_or_stuck_under_faults()
    {
        var seed = GetSetting("CHAOS_SEED", Random.Shared.Next());
        var duration = TimeSpan.FromSeconds(GetSetting("CHAOS_SECONDS", 25));
        var command = $"CHAOS_SEED={seed} ./test.sh chaos {duration.TotalSeconds:0}";
        await using var shop = await ChaosShop.OpenAsync(ChooseInstances(new(seed)), ChaosShop.Deadline);
        try
        {
            await RunAsync(shop, seed, duration);
        }
        catch (Exception failure)
        {
            // The seed repeats the faults and their order, not their timing.
            var details = failure is Xunit.Sdk.XunitException ? failure.Message : $"{failure}\n{await FailureReport.WriteAsync(shop, GetBugs(shop))}";
            Assert.Fail($"Repeat with: {command}\n{details}");
        }
    }

    private async Task RunAsync(ChaosShop shop, int seed, TimeSpan duration)
    {
        using var timeout = new CancellationTokenSource(duration + 2 * QuiescenceTimeout);
        using var loadEnd = new CancellationTokenSource();
        using var pending = new PendingEntries(shop.RedisAddress);
        var client = new RetryingClient(timeout.Token);
        var catalog = new ChaosCatalog(shop.Clients, client);
        await catalog.OpenAsync();

        var injector = new FaultInjector(shop, pending, new(seed));
        var customers = Enumerable.Range(1, CustomerCount)
            .Select(number => new Customer($"customer-{number}", shop.AllClients[number % shop.AllClients.Count], catalog, client, new(seed + number)))
            .ToArray();
        var busy = Task.WhenAll(
            [catalog.SupplyAsync(new(seed + CustomerCount + 1), loadEnd.Token), .. customers.Select(customer => customer.RunAsync(loadEnd.Token))]);
        try
        {
            await injector.RunAsync(duration);
        }
        finally
        {
            await loadEnd.CancelAsync();
        }
        var faultsEnd = DateTime.UtcNow;
        await shop.WaitUntilReadyAsync();
        await busy;

        var placed = customers.SelectMany(customer => customer.Placed).ToArray();
        var stuck = await new QuiescenceWaiter(shop.Clients, catalog, client, placed).WaitAsync(QuiescenceTimeout);
        var quiescedAfter = DateTime.UtcNow - faultsEnd;
        var audit = new ChaosAudit(shop.Clients, catalog, client, placed);
        await audit.RunAsync();
        // Nothing may be under way any more.
        var auditViolations = (await AuditRunner.RunAsync(shop.Clients, ChaosShop.Deadline, _ => { }, timeout.Token)).SelectMany(invariant =>
            invariant.Discrepancies.Select(one => one.What).Concat(invariant.NotChecked)
                .Select(what => new InvariantViolation(ViolationKind.Contradiction, null, $"{invariant.Name}: {what}")));
        InvariantViolation[] violations = [.. stuck, .. audit.Violations, .. auditViolations, .. GetBugs(shop)];

        var report = new ChaosReport(seed, shop.Instances, duration, quiescedAfter, audit.Orders, client.Retries, injector, new(shop),
            await pending.DeadLettersAsync(), shop.Sidecars.Sum(sidecar => sidecar.UnexpectedExits), violations);
        output.WriteLine($"{report}");
        await File.WriteAllTextAsync(ReportFile, $"{report}\n");
        if (violations.Length > 0) Assert.Fail($"{report}\n{await FailureReport.WriteAsync(shop, violations)}");
        AssertFaultsHappened(injector, duration, audit.Orders);
    }

    /// <summary>One or two instances of each service, and two of at least one.</summary>
    private static int[] ChooseInstances(Random random)
    {
        int[] instances = [.. Enumerable.Range(0, 4).Select(_ => random.Next(1, 3))];
        instances[random.Next(instances.Length)] = 2;
        return instances;
    }

    /// <summary>A run without faults would prove nothing.</summary>
    private static void AssertFaultsHappened(FaultInjector injector, TimeSpan duration, IReadOnlyList<Order> orders)
    {
        var least = Math.Max(1, (int)duration.TotalSeconds / 15);
        foreach (var fault in Enum.GetValues<Fault>())
        {
            Assert.True(injector.GetCount(fault) >= least,
                $"{fault} happened {injector.GetCount(fault)} times, expected at least {least}.");
        }
        Assert.True(injector.DroppedEvents > 0, "No event was lost.");
        Assert.True(orders.Any(order => order.Status == OrderStatus.Confirmed), "No order was confirmed.");
        Assert.True(orders.Any(order => order.Status == OrderStatus.Failed), "No order failed.");
    }

    private static InvariantViolation[] GetBugs(ChaosShop shop) =>
    [
        .. new LogStatistics(shop).Bugs.Select(line => new InvariantViolation(ViolationKind.Contradiction, null, $"a service logged: {line}")),
        .. shop.Services.Where(service => service.UnexpectedExits > 0)
            .Select(service => new InvariantViolation(ViolationKind.Contradiction, null, $"{service.Name} exited without being killed")),
    ];

    private static int GetSetting(string name, int defaultValue) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? int.Parse(value, CultureInfo.InvariantCulture) : defaultValue;
}
