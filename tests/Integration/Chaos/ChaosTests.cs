using System.Globalization;
using Shop;
using Shop.V1;
using Xunit.Abstractions;

namespace Integration.Chaos;

/// <summary>Real processes die, sleep and lose events while customers place orders; afterwards every order has ended, once and rightly.</summary>
[Collection(nameof(Alone))]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int Customers = 16;

    /// <summary>Where the report of the last run is left for those who do not see a passing test's output.</summary>
    private static readonly string ReportFile = Path.Combine(RunningShop.Root, "artifacts", "chaos.txt");

    /// <summary>
    /// Once the faults stop: deliveries that are being retried, the 20 s after which a dead process's orders are taken over, the deadlines
    /// of orders and of holds, and the sweeps that follow. Nobody waits longer than it takes.
    /// </summary>
    private static readonly TimeSpan RestMax = TimeSpan.FromSeconds(50 + 20) + 2 * ChaosShop.Deadline + 10 * ChaosShop.SweepPeriod;

    [Fact]
    public async Task No_order_is_lost_doubled_or_stuck_whatever_dies()
    {
        var seed = Setting("CHAOS_SEED", Random.Shared.Next());
        var torment = TimeSpan.FromSeconds(Setting("CHAOS_SECONDS", 25));
        var again = $"CHAOS_SEED={seed} ./test.sh chaos {torment.TotalSeconds:0}";
        await using var shop = await ChaosShop.OpenAsync(InstancesOf(new(seed)), ChaosShop.Deadline);
        try
        {
            await RunAsync(shop, seed, torment);
        }
        catch (Exception failure)
        {
            // Which processes the faults meet, and where, depends on the machine too: the seed repeats what is done, not when.
            var found = failure is Xunit.Sdk.XunitException ? failure.Message : $"{failure}\n{await Evidence.OfAsync(shop, Bugs(shop))}";
            Assert.Fail($"Again with: {again}\n{found}");
        }
    }

    private async Task RunAsync(ChaosShop shop, int seed, TimeSpan torment)
    {
        using var giveUp = new CancellationTokenSource(torment + 2 * RestMax);
        using var over = new CancellationTokenSource();
        using var pending = new PendingEntries(shop.RedisAddress);
        var insistence = new Insistence(giveUp.Token);
        var goods = new Goods(shop.Clients, insistence);
        await goods.OpenAsync();

        var tormentor = new Tormentor(shop, pending, new(seed));
        var customers = Enumerable.Range(1, Customers).Select(number => new Customer($"customer-{number}", shop.AllClients[number % shop.AllClients.Count], goods, insistence, new(seed + number))).ToArray();
        var busy = Task.WhenAll([goods.SupplyAsync(new(seed + Customers + 1), over.Token), .. customers.Select(customer => customer.ShopAsync(over.Token))]);
        try
        {
            await tormentor.TormentAsync(torment);
        }
        finally
        {
            await over.CancelAsync();
        }
        var calm = DateTime.UtcNow;
        await shop.WaitUntilReadyAsync();
        await busy;

        var placed = customers.SelectMany(customer => customer.Placed).ToArray();
        var stuck = await new Rest(shop.Clients, goods, insistence, placed).WaitAsync(RestMax);
        var toRest = DateTime.UtcNow - calm;
        var audit = new Audit(shop.Clients, goods, insistence, placed);
        await audit.RunAsync();
        // All is at rest: what is only under way would be one too many.
        var broken = (await Rereading.AuditAsync(shop.Clients, ChaosShop.Deadline, _ => { }, giveUp.Token)).SelectMany(invariant =>
            invariant.Discrepancies.Select(one => one.What).Concat(invariant.NotLookedAt).Select(what => new Breach(Harm.Contradiction, null, $"{invariant.Name}: {what}")));
        Breach[] breaches = [.. stuck, .. audit.Breaches, .. broken, .. Bugs(shop)];

        var report = new Report(seed, shop.Instances, torment, toRest, audit.Orders, insistence.Again, tormentor, new(shop),
            await pending.DeadLettersAsync(), shop.Sidecars.Sum(sidecar => sidecar.EndedByItself), breaches);
        output.WriteLine($"{report}");
        await File.WriteAllTextAsync(ReportFile, $"{report}\n");
        if (breaches.Length > 0) Assert.Fail($"{report}\n{await Evidence.OfAsync(shop, breaches)}");
        ItWasChaos(tormentor, torment, audit.Orders);
    }

    /// <summary>One or two of each service, and two of at least one.</summary>
    private static int[] InstancesOf(Random random)
    {
        int[] instances = [.. Enumerable.Range(0, 4).Select(_ => random.Next(1, 3))];
        instances[random.Next(instances.Length)] = 2;
        return instances;
    }

    /// <summary>A run in which nothing happened proves nothing.</summary>
    private static void ItWasChaos(Tormentor tormentor, TimeSpan torment, IReadOnlyList<Order> orders)
    {
        var least = Math.Max(1, (int)torment.TotalSeconds / 15);
        foreach (var fault in Enum.GetValues<Fault>()) Assert.True(tormentor.Done(fault) >= least, $"{fault} happened {tormentor.Done(fault)} times, and should {least} times.");
        Assert.True(tormentor.Dropped > 0, "No event was lost.");
        Assert.True(orders.Any(order => order.Status == OrderStatus.Confirmed), "No order was confirmed.");
        Assert.True(orders.Any(order => order.Status == OrderStatus.Failed), "No order failed.");
    }

    private static Breach[] Bugs(ChaosShop shop) =>
    [
        .. new Heard(shop).Bugs.Select(line => new Breach(Harm.Contradiction, null, $"a service says: {line}")),
        .. shop.Services.Where(service => service.EndedByItself > 0).Select(service => new Breach(Harm.Contradiction, null, $"{service.Name} ended without having been killed")),
    ];

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } said ? int.Parse(said, CultureInfo.InvariantCulture) : otherwise;
}

/// <summary>Runs when nothing else does: it needs the machine for itself.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
