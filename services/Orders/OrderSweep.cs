using Saga;

namespace Orders;

/// <summary>Looks after orders that have not come to rest: reminds, and ends them at their deadline.</summary>
internal sealed class OrderSweep(
    OrderStore orders, ISidecar sidecar, OpenOrderLog openOrders, OrderIdPool orderIds, OrderHistory past, SagaTimeouts timeouts, DeadLetters deadLetters, TimeProvider clock, ILoggerFactory logs)
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
    public event Action<Order>? Resent;

    /// <summary>Once over all open orders. Each costs a read; a quiet one also what is said again.</summary>
    public Task RunAsync(CancellationToken ct) => openOrders.SweepAsync(timeouts.ResendAfter, new(VisitAsync, EndedAsync), ct);

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        OpenEntry[] used = [.. entries.Where(entry => !orderIds.IsUnused(entry.OrderId))];
        var reads = await sidecar.ReadEachAsync<Order>([.. used.Select(entry => Order.KeyOf(entry.OrderId))], ct);
        return await visits.VisitAsync(used, reads, (entry, order) =>
        {
            if (order.Value is { } kept) Visited?.Invoke(kept);
            return IsOverAsync(entry, order, ct);
        }, ct);
    }

    public async Task VisitAsync(string orderId, CancellationToken ct)
    {
        var entry = new OpenEntry(orderId, clock.GetUtcNow());
        if (!await IsOverAsync(entry, await sidecar.ReadAsync<Order>(Order.KeyOf(orderId), ct), ct)) await openOrders.AddAsync(orderId, ct);
    }

    private async Task EndedAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        string[] ids = [.. entries.Select(entry => entry.OrderId).Distinct()];
        await past.AddAsync([.. ids.Where(id => !orderIds.IsUnused(id))], ct);
        orderIds.Forget(ids);
    }

    private async Task<bool> IsOverAsync(OpenEntry entry, Versioned<Order> order, CancellationToken ct)
    {
        if (order.Value is null or { Status: OrderStatus.Abandoned })
        {
            // Noted, but not placed. Whoever is still about to place it, be it over a void one that it has seen, must find that it is too late.
            if (orders.Now().Since(entry.Since) < timeouts.Deadline) return false;
            var none = new Order(entry.OrderId, "", OrderStatus.Abandoned, [], new(0, 0, 0), null, new("", "", ""), "",
                StepRecord.Waiting, StepRecord.Waiting, StepRecord.Waiting, null, clock.GetUtcNow(), []);
            if (!await sidecar.TrySaveAsync(order, none, Retention.OfFinished, ct)) return false;
            if (order.Value is null) OrderLog.Abandoned(log, entry.OrderId);
            return true;
        }
        if (order.Value.IsClosed) return true;

        if (OrderDecisions.OnQuiet(order.Value, timeouts, orders.Now()) is { Events.Count: 0 }) return false;
        using var step = SagaTracing.StartLinkedRoot("remind order", entry.OrderId, order.Value.Timeline[0].TraceId);
        var now = await orders.RunAsync(entry.OrderId, (kept, at) => OrderDecisions.OnQuiet(kept, timeouts, at), ct);
        OrderLog.Resent(log, entry.OrderId);
        Resent?.Invoke(now);
        return now.IsClosed;
    }
}
