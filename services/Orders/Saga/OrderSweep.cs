namespace Orders;

/// <summary>Sweeps open orders: resends their last event, or continues their orchestration, and fails them at their deadline.</summary>
internal sealed class OrderSweep(
    OrderStore orders, Orchestrator orchestrator, ISidecar sidecar, OpenOrderLog openOrders, OrderHistory history, SagaSteps steps, SagaTimeouts timeouts,
    DeadLetters deadLetters, TimeProvider clock, ILoggerFactory logs)
    : ISweptEntries
{
    private readonly ILogger log = logs.CreateLogger("Orders");

    /// <summary>Between two resends, at most. A participant that is down must not find thousands of copies when it is back.</summary>
    private static readonly TimeSpan ResendDelayMax = TimeSpan.FromMinutes(1);

    /// <summary>
    /// After a call that was not answered, until the sweep calls the participant again: one that waited for the timeout of each would not get to the
    /// other orders in time.
    /// </summary>
    private static readonly TimeSpan CallPause = TimeSpan.FromSeconds(5);

    /// <summary>Time for calls in one sweep: with slow participants it must still end long before another instance takes this one for dead.</summary>
    private static readonly TimeSpan CallTimeMax = TimeSpan.FromSeconds(5);

    private readonly KeyedBackoff resends = new(timeouts.ResendAfter, ResendDelayMax, clock);
    private readonly KeyedBackoff calls = new(CallPause, CallPause, clock);
    private long begun = clock.GetTimestamp();
    private readonly IsolatedVisits visits = new("orders", "Order", deadLetters, clock, logs.CreateLogger("Orders"));

    public string Kind => "orders";

    /// <summary>A sweep has read an order of this instance's log. Handlers must not block or throw.</summary>
    public event Action<Order>? Visited;

    /// <summary>
    /// An order leaves this instance's log, because it is closed or another instance visits it from now on; raised at least once. Handlers must not
    /// block or throw.
    /// </summary>
    public event Action<string>? Left;

    /// <summary>The last event or call of an order was repeated, or its deadline had passed. Handlers must not block or throw.</summary>
    public event Action<Order>? Resent;

    /// <summary>Visits every open order once. Each costs a read, and one that is due for a resend, with exponential backoff, also a publish.</summary>
    public Task RunAsync(CancellationToken ct)
    {
        begun = clock.GetTimestamp();
        return openOrders.SweepAsync(timeouts.FirstVisit, new(VisitAsync, OnClosedAsync, OnLeft), ct);
    }

    private bool MayCall(Step step) => !calls.IsDelayed(step.Name) && clock.GetElapsedTime(begun) < CallTimeMax;

    /// <summary>The participants that an orchestrated order can be continued with now: a pending one has them in turn, a failed one all.</summary>
    private bool CanContinue(Order order) =>
        OrderDecisions.PendingSteps(order).Take(order.Status == OrderStatus.Pending ? 1 : int.MaxValue).Any(MayCall);

    private async Task<Order> ContinueAsync(Order order, CancellationToken ct)
    {
        HashSet<Step> called = [];
        var now = await orchestrator.RunAsync(order, (_, step) =>
        {
            if (!MayCall(step)) return false;
            called.Add(step);
            return true;
        }, ct);
        foreach (var step in OrderDecisions.PendingSteps(now).Where(called.Contains)) calls.Delay(step.Name);
        return now;
    }

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        var reads = await sidecar.ReadEachAsync<Order>([.. entries.Select(entry => Order.KeyOf(entry.OrderId))], ct);
        return await visits.VisitAsync(entries, reads, (entry, order) =>
        {
            if (order.Value is { } stored) Visited?.Invoke(stored);
            return IsClosedAsync(entry, order, ct);
        }, ct);
    }

    public async Task VisitAsync(string orderId, CancellationToken ct)
    {
        var entry = new OpenEntry(orderId, clock.GetUtcNow());
        if (!await IsClosedAsync(entry, await sidecar.ReadAsync<Order>(Order.KeyOf(orderId), ct), ct)) await openOrders.AddAsync(orderId, ct);
    }

    private async Task OnClosedAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        string[] ids = [.. entries.Select(entry => entry.OrderId).Distinct()];
        await history.AddAsync(ids, ct);
        foreach (var id in ids) OnLeft(id);
    }

    private void OnLeft(string orderId)
    {
        resends.Reset(orderId);
        visits.Forget(orderId);
        Left?.Invoke(orderId);
    }

    private async Task<bool> IsClosedAsync(OpenEntry entry, Versioned<Order> order, CancellationToken ct)
    {
        if (order.Value is null or { Status: OrderStatus.Abandoned })
        {
            // Tracked but not placed. A new tombstone fences a handler that is still about to place the order, even over an older tombstone.
            if (orders.Now().GetAge(entry.Since) < timeouts.Deadline) return false;
            if (!await sidecar.TrySaveAsync(order, Order.Abandoned(entry.OrderId, clock.GetUtcNow()), Retention.OfFinished, ct)) return false;
            if (order.Value is null) OrderLog.Abandoned(log, entry.OrderId);
            return true;
        }
        if (order.Value.IsClosed) return true;

        var isOrchestrated = order.Value.Pattern == SagaPattern.Orchestration;
        var due = OrderDecisions.OnSweep(order.Value, steps, timeouts, orders.Now());
        var isResend = ReferenceEquals(due.State, order.Value);
        var isDue = isOrchestrated ? CanContinue(order.Value) && OrderDecisions.IsDue(order.Value, timeouts, orders.Now()) : due.Events.Count > 0; // mutant: orchestration-not-continued
        if (isResend && (!isDue || resends.IsDelayed(entry.OrderId))) return false;
        using var span = SagaTracing.StartLinkedRoot("resend order", entry.OrderId, order.Value.Timeline[0].TraceId);
        var now = await orders.ApplyAsync(entry.OrderId, (stored, at) => OrderDecisions.OnSweep(stored, steps, timeouts, at), ct);
        if (isResend) resends.Delay(entry.OrderId);
        else resends.Reset(entry.OrderId);
        OrderLog.Resent(log, entry.OrderId);
        Resent?.Invoke(now);
        if (isOrchestrated && !now.IsClosed && CanContinue(now)) now = await ContinueAsync(now, ct);
        return now.IsClosed;
    }
}
