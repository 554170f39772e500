using Saga;

namespace Orders;

/// <summary>Looks after orders that have not come to rest: reminds, and ends them at their deadline.</summary>
internal sealed class OrderSweep(
    OrderSteps orders, ISidecar sidecar, OpenLog openLog, NotedIds notedIds, PastOrders past, Limits limits, DeadLetters deadLetters, TimeProvider clock, ILoggerFactory logs)
    : ISweptEntries
{
    private readonly ILogger log = logs.CreateLogger("Orders");
    private readonly IsolatedVisits visits = new("orders", "Order", deadLetters, clock, logs.CreateLogger("Orders"));

    public string Kind => "orders";

    /// <summary>An order that this instance looks after is as told.</summary>
    /// <remarks>Whoever listens neither waits nor throws.</remarks>
    public event Action<Order>? Visited;

    /// <summary>What was said last of this order was said again, or its deadline had passed.</summary>
    /// <remarks>Whoever listens neither waits nor throws.</remarks>
    public event Action<Order>? Reminded;

    /// <summary>Once over all open orders. Each costs a read; a quiet one also what is said again.</summary>
    public Task RunAsync(CancellationToken stop) => openLog.SweepAsync(limits.Quiet, new(VisitAsync, EndedAsync), stop);

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken stop)
    {
        OpenEntry[] used = [.. entries.Where(entry => !notedIds.IsUnused(entry.OrderId))];
        var reads = await sidecar.ReadEachAsync<Order>([.. used.Select(entry => Order.KeyOf(entry.OrderId))], stop);
        return await visits.VisitAsync(used, reads, (entry, order) =>
        {
            if (order.Value is { } kept) Visited?.Invoke(kept);
            return IsOverAsync(entry, order, stop);
        }, stop);
    }

    public async Task VisitAsync(string orderId, CancellationToken stop)
    {
        var entry = new OpenEntry(orderId, clock.GetUtcNow());
        if (!await IsOverAsync(entry, await sidecar.ReadAsync<Order>(Order.KeyOf(orderId), stop), stop)) await openLog.AddAsync(orderId, stop);
    }

    private async Task EndedAsync(IReadOnlyList<OpenEntry> entries, CancellationToken stop)
    {
        string[] ids = [.. entries.Select(entry => entry.OrderId).Distinct()];
        await past.AddAsync([.. ids.Where(id => !notedIds.IsUnused(id))], stop);
        notedIds.Forget(ids);
    }

    private async Task<bool> IsOverAsync(OpenEntry entry, Versioned<Order> order, CancellationToken stop)
    {
        if (order.Value is null or { Status: OrderStatus.Void })
        {
            // Noted, but not placed. Whoever is still about to place it, be it over a void one that it has seen, must find that it is too late.
            if (orders.Now().Since(entry.Since) < limits.Deadline) return false;
            var none = new Order(entry.OrderId, "", OrderStatus.Void, [], new(0, 0, 0), null, new("", "", ""), "",
                StepRecord.Waiting, StepRecord.Waiting, StepRecord.Waiting, null, clock.GetUtcNow(), []);
            if (!await sidecar.TryWriteAsync(order, none, Retention.OfFinished, stop)) return false;
            if (order.Value is null) OrderLog.Voided(log, entry.OrderId);
            return true;
        }
        if (order.Value.Settled) return true;

        if (OrderDecisions.Remind(order.Value, limits, orders.Now()) is { Says.Count: 0 }) return false;
        using var step = SagaTrace.StartAnew("remind order", entry.OrderId, order.Value.Timeline[0].TraceId);
        var now = await orders.RunAsync(entry.OrderId, (kept, at) => OrderDecisions.Remind(kept, limits, at), stop);
        OrderLog.Reminded(log, entry.OrderId);
        Reminded?.Invoke(now);
        return now.Settled;
    }
}
