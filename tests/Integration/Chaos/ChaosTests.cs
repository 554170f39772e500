using System.Globalization;
using Shop;
using Shop.Audits;
using Shop.V1;
using Xunit.Abstractions;

namespace Integration.Chaos;

/// <summary>Real processes die, sleep and lose events while customers place orders; afterwards every order has ended, once and rightly.</summary>
[Collection(nameof(Sequential))]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int CustomerCount = 16;

    /// <summary>Where the report of the last run is left for those who do not see a passing test's output.</summary>
    private static readonly string ReportFile = Path.Combine(RunningShop.Root, "artifacts", "chaos.txt");

    /// <summary>
    /// Once the faults stop: deliveries that are being retried, the 20 s after which a dead process's orders are taken over, the deadlines
    /// of orders and of holds, and the sweeps that follow. Nobody waits longer than it takes.
    /// </summary>
    private static readonly TimeSpan QuiescenceTimeout = TimeSpan.FromSeconds(50 + 20) + 2 * ChaosShop.Deadline + 10 * ChaosShop.SweepPeriod;

    [Fact]
    public async Task No_order_is_lost_doubled_or_stuck_whatever_dies()
    {
        var seed = Setting("CHAOS_SEED", Random.Shared.Next());
        var duration = TimeSpan.FromSeconds(Setting("CHAOS_SECONDS", 25));
        var again = $"CHAOS_SEED={seed} ./test.sh chaos {duration.TotalSeconds:0}";
        await using var shop = await ChaosShop.OpenAsync(InstancesOf(new(seed)), ChaosShop.Deadline);
        try
        {
            await RunAsync(shop, seed, duration);
        }
        catch (Exception failure)
        {
            // Which processes the faults meet, and where, depends on the machine too: the seed repeats what is done, not when.
            var found = failure is Xunit.Sdk.XunitException ? failure.Message : $"{failure}\n{await FailureReport.WriteAsync(shop, Bugs(shop))}";
            Assert.Fail($"Again with: {again}\n{found}");
        }
    }

    private async Task RunAsync(ChaosShop shop, int seed, TimeSpan duration)
    {
        using var giveUp = new CancellationTokenSource(duration + 2 * QuiescenceTimeout);
        using var over = new CancellationTokenSource();
        using var pending = new PendingEntries(shop.RedisAddress);
        var retrying = new RetryingClient(giveUp.Token);
        var catalog = new ChaosCatalog(shop.Clients, retrying);
        await catalog.OpenAsync();

        var faults = new FaultInjector(shop, pending, new(seed));
        var customers = Enumerable.Range(1, CustomerCount).Select(number => new Customer($"customer-{number}", shop.AllClients[number % shop.AllClients.Count], catalog, retrying, new(seed + number))).ToArray();
        var busy = Task.WhenAll([catalog.SupplyAsync(new(seed + CustomerCount + 1), over.Token), .. customers.Select(customer => customer.ShopAsync(over.Token))]);
        try
        {
            await faults.RunAsync(duration);
        }
        finally
        {
            await over.CancelAsync();
        }
        var calm = DateTime.UtcNow;
        await shop.WaitUntilReadyAsync();
        await busy;

        var placed = customers.SelectMany(customer => customer.PlacedOrder).ToArray();
        var stuck = await new QuiescenceWaiter(shop.Clients, catalog, retrying, placed).WaitAsync(QuiescenceTimeout);
        var toRest = DateTime.UtcNow - calm;
        var audit = new ChaosAudit(shop.Clients, catalog, retrying, placed);
        await audit.RunAsync();
        // All is at rest: what is only under way would be one too many.
        var broken = (await AuditRunner.RunAsync(shop.Clients, ChaosShop.Deadline, _ => { }, giveUp.Token)).SelectMany(invariant =>
            invariant.Discrepancies.Select(one => one.What).Concat(invariant.NotLookedAt).Select(what => new InvariantViolation(ViolationKind.Contradiction, null, $"{invariant.Name}: {what}")));
        InvariantViolation[] violations = [.. stuck, .. audit.Violations, .. broken, .. Bugs(shop)];

        var report = new ChaosReport(seed, shop.Instances, duration, toRest, audit.Orders, retrying.Retries, faults, new(shop),
            await pending.DeadLettersAsync(), shop.Sidecars.Sum(sidecar => sidecar.EndedByItself), violations);
        output.WriteLine($"{report}");
        await File.WriteAllTextAsync(ReportFile, $"{report}\n");
        if (violations.Length > 0) Assert.Fail($"{report}\n{await FailureReport.WriteAsync(shop, violations)}");
        ItWasChaos(faults, duration, audit.Orders);
    }

    /// <summary>One or two of each service, and two of at least one.</summary>
    private static int[] InstancesOf(Random random)
    {
        int[] instances = [.. Enumerable.Range(0, 4).Select(_ => random.Next(1, 3))];
        instances[random.Next(instances.Length)] = 2;
        return instances;
    }

    /// <summary>A run in which nothing happened proves nothing.</summary>
    private static void ItWasChaos(FaultInjector faults, TimeSpan duration, IReadOnlyList<Order> orders)
    {
        var least = Math.Max(1, (int)duration.TotalSeconds / 15);
        foreach (var fault in Enum.GetValues<Fault>()) Assert.True(faults.Done(fault) >= least, $"{fault} happened {faults.Done(fault)} times, and should {least} times.");
        Assert.True(faults.Dropped > 0, "No event was lost.");
        Assert.True(orders.Any(order => order.Status == OrderStatus.Confirmed), "No order was confirmed.");
        Assert.True(orders.Any(order => order.Status == OrderStatus.Failed), "No order failed.");
    }

    private static InvariantViolation[] Bugs(ChaosShop shop) =>
    [
        .. new LogStatistics(shop).Bugs.Select(line => new InvariantViolation(ViolationKind.Contradiction, null, $"a service says: {line}")),
        .. shop.Services.Where(service => service.EndedByItself > 0).Select(service => new InvariantViolation(ViolationKind.Contradiction, null, $"{service.Name} ended without having been killed")),
    ];

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } said ? int.Parse(said, CultureInfo.InvariantCulture) : otherwise;
}

/// <summary>Runs when nothing else does: it needs the machine for itself.</summary>
[CollectionDefinition(nameof(Sequential), DisableParallelization = true)]
public sealed class Sequential;
