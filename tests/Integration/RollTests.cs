using Integration.Chaos;
using Shop.Audits;
using Shop.V1;
using Xunit.Abstractions;

namespace Integration;

/// <summary>A rolling upgrade in the middle of load: instances are stopped by SIGTERM, while the others go on, and started again.</summary>
/// <remarks>
/// Before and after are the same build, unless ROLL_FROM names the folder artifacts/bin of another one, built for Release: the services are of that
/// build first, and of this one once they are restarted, so that both run side by side meanwhile. Then no order is paid by PayOrder, which has to wait
/// until every service is of this version.
/// </remarks>
[Collection(nameof(Sequential))]
public sealed class RollTests(ITestOutputHelper output)
{
    private const int CustomerCount = 8;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>Of a service after SIGTERM: Saga:DrainDelay (1 s), 20 s for what is in progress, and the end of the process on a busy machine.</summary>
    private static readonly TimeSpan GracePeriod = TimeSpan.FromSeconds(25);

    /// <summary>Redeliveries, the deadlines of orders and reservations, and the sweeps that follow.</summary>
    private static readonly TimeSpan QuiescenceTimeout = TimeSpan.FromSeconds(30) + 3 * Deadline;

    [Fact]
    public async Task No_order_is_lost_when_every_instance_is_replaced_under_load()
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        using var loadEnd = new CancellationTokenSource();
        var from = Environment.GetEnvironmentVariable("ROLL_FROM") is { Length: > 0 } folder ? folder : null;
        await using var shop = await ChaosShop.OpenAsync([2, 2, 1, 1], Deadline, bin: from);
        using var pending = new PendingEntries(shop.RedisAddress);
        var client = new RetryingClient(timeout.Token);
        var catalog = new ChaosCatalog(shop.Clients, client);
        await catalog.OpenAsync();
        Customer[] customers =
        [
            .. Enumerable.Range(1, CustomerCount).Select(number => new Customer(
                $"customer-{number}", shop.AllClients[number % shop.AllClients.Count], catalog, client, new(number), from is null ? 0.5 : 0)),
        ];
        var busy = Task.WhenAll([catalog.SupplyAsync(new(0), loadEnd.Token), .. customers.Select(customer => customer.RunAsync(loadEnd.Token))]);
        await Poll.UntilAsync(() => customers.Sum(customer => customer.Placed.Count) > CustomerCount);

        shop.Upgrade();
        var before = customers.Sum(customer => customer.Placed.Count);
        // The second instances last; Payments and Coupons have one, whose events wait meanwhile. Participants first: docs/upgrading.md.
        await RollAsync(shop, "Stock 1", "Payments 1", "Coupons 1");
        await RollAsync(shop, "Stock 2", "Orders 1");
        await RollAsync(shop, "Orders 2");
        var during = customers.Sum(customer => customer.Placed.Count) - before;
        await loadEnd.CancelAsync();
        await busy;

        var placed = customers.SelectMany(customer => customer.Placed).ToArray();
        var stuck = await new QuiescenceWaiter(shop.Clients, catalog, client, placed).WaitAsync(QuiescenceTimeout);
        var audit = new ChaosAudit(shop.Clients, catalog, client, placed);
        await audit.RunAsync();
        var auditViolations = (await AuditRunner.RunAsync(shop.Clients, Deadline, _ => { }, timeout.Token)).SelectMany(invariant =>
            invariant.Discrepancies.Select(one => one.What).Concat(invariant.NotChecked).Select(what => $"{invariant.Name}: {what}"));
        var log = new LogStatistics(shop);
        string[] violations =
        [
            .. stuck.Concat(audit.Violations).Select(violation => $"{violation}"), .. auditViolations, .. log.Bugs,
            .. shop.Services.Where(service => service.UnexpectedExits > 0).Select(service => $"{service.Name} exited without being stopped"),
        ];
        output.WriteLine($"{placed.Length} orders, {during} of them during the roll: {audit.Orders.Count(order => order.Status == OrderStatus.Confirmed)} confirmed, "
            + $"{audit.Orders.Count(order => order.Status == OrderStatus.Failed)} failed; {client.Retries} calls retried, {log.Resends} resends, "
            + $"{log.Redelivered} redeliveries, {await pending.DeadLettersAsync()} dead letters.");
        Assert.True(violations.Length == 0, string.Join('\n', violations));
        Assert.True(during > CustomerCount, $"Only {during} orders were placed during the roll.");
    }

    /// <summary>
    /// Replaces instances of different services at the same time. The sidecar of every other one is stopped with it, as Kubernetes does it, the others
    /// after it.
    /// </summary>
    private static async Task RollAsync(ChaosShop shop, params string[] names)
    {
        await Task.WhenAll(names.Select(async (name, at) =>
        {
            var service = shop.Services.Single(service => service.Name == name);
            var sidecar = shop.Sidecars[shop.Services.IndexOf(service)];
            var sidecarStopped = at % 2 == 0 ? sidecar.StopAsync() : null;
            var (exitCode, time) = await service.StopAsync();
            await (sidecarStopped ?? sidecar.StopAsync());
            Assert.Equal(0, exitCode);
            Assert.True(time < GracePeriod, $"{name} has ended {time.TotalSeconds:0.0} s after SIGTERM.");
        }));
        await shop.WaitUntilReadyAsync();
    }
}
