using Saga;

namespace Orders;

/// <summary>Looks after orders that have not come to rest: reminds, and ends them at their deadline.</summary>
internal sealed class OrderSweep(
    OrderSteps orders, ISidecar sidecar, OpenLog openLog, NotedIds notedIds, PastOrders past, Limits limits, TimeProvider clock, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Orders");

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
        var read = await sidecar.ReadManyAsync<Order>([.. used.Select(entry => Order.KeyOf(entry.OrderId))], stop);
        HashSet<string> open = [];
        foreach (var (entry, order) in used.Zip(read))
        {
            if (order.Value is { } kept) Visited?.Invoke(kept);
            if (!await IsOverAsync(entry, order, stop)) open.Add(entry.OrderId);
        }
        return open;
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
