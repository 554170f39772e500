using System.Collections.Concurrent;
using System.Diagnostics;

namespace Orders;

/// <summary>Applies decisions to stored orders: save, notify watchers, publish. The event is acknowledged when this returns.</summary>
/// <remarks>
/// A crash between saving and publishing loses nothing: the redelivered event meets its own effect, and the decision, which depends on the stored
/// order alone, publishes the same events again.
/// </remarks>
internal sealed class OrderStore(DocumentStore documents, ISidecar sidecar, TimeProvider clock, ILoggerFactory logs) : IDisposable
{
    /// <summary>A broker that takes longer counts as not answering, and the caller of PayOrder does not wait for it.</summary>
    private static readonly TimeSpan PublishTimeout = TimeSpan.FromSeconds(2);

    private readonly TimeProvider clock = clock;
    private readonly ILogger log = logs.CreateLogger("Orders");
    private readonly ConcurrentDictionary<string, TaskCompletionSource> watched = new();

    /// <summary>An outage of the broker fails every order with the same message.</summary>
    private readonly FaultLog unpublished = new("Publications of the end of an orchestrated order", clock, logs.CreateLogger("Orders"), overWhenQuiet: true);

    /// <summary>This process has changed an order, from the first (null: it did not exist) to the second.</summary>
    /// <remarks>Two changes may be raised out of order. Handlers must not block or throw.</remarks>
    public event Action<Order?, Order>? Changed;

    public void Dispose() => unpublished.Dispose();

    public DecisionContext Now() => new(clock.GetUtcNow(), SagaTracing.TraceId);

    /// <summary>Decides, saves what was decided, and publishes its events.</summary>
    /// <param name="decide">Pure. Gets the stored order and the moment of the decision; called again after a conflict.</param>
    /// <returns>The order as it is now.</returns>
    /// <exception cref="UnprocessableEventException">The decision contradicts the stored order.</exception>
    public async Task<Order> ApplyAsync(string orderId, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct)
    {
        var (before, decision) = await SaveAsync(orderId, order => decide(order, Now()), ct);
        using var span = StartFinalSpan(decision.State!, before);
        await PublishAsync(decision, ct); // mutant: acknowledged-before-published
        return decision.State!;
    }

    /// <summary>
    /// As <see cref="ApplyAsync"/>, for an orchestrated order, which goes on without a broker: a participant that does not receive the last event of an order
    /// asks for it.
    /// </summary>
    public async Task<Order> RecordAsync(string orderId, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct)
    {
        var (before, decision) = await SaveAsync(orderId, order => decide(order, Now()), ct);
        using var span = StartFinalSpan(decision.State!, before);
        try
        {
            await PublishAsync(decision, ct).WaitAsync(PublishTimeout, clock, ct);
        }
        catch (Exception fault) when (fault is Dapr.DaprException or TimeoutException)
        {
            if (unpublished.Begins("order-confirmed", fault.Message)) OrderLog.EndNotPublished(log, orderId, fault.Message);
        }
        return decision.State!;
    }

    /// <summary>Saves a new order and publishes order-created. The order is accepted even if that fails: the sweep publishes it.</summary>
    /// <returns>The order, or a tombstone in its place that is not <paramref name="seenTombstone"/>.</returns>
    public async Task<Order> PlaceAsync(Order placed, Order? seenTombstone, CancellationToken ct)
    {
        var (_, decision) = await SaveAsync(placed.Id, stored => PlacingDecisions.Place(stored, placed, seenTombstone), ct, expectMissing: seenTombstone is null);
        try
        {
            await PublishAsync(decision, ct);
        }
        catch (Dapr.DaprException fault)
        {
            OrderLog.NotPublishedYet(log, placed.Id, fault.Message);
        }
        return decision.State!;
    }

    /// <summary>Watches an order from now on for its next change in this process. Dispose the watch after use.</summary>
    public Watch WatchChange(string orderId) =>
        new(this, orderId, watched.GetOrAdd(orderId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)));

    internal readonly struct Watch(OrderStore orders, string orderId, TaskCompletionSource change) : IDisposable
    {
        /// <summary>Returns at the next change, or after the timeout: another process may have changed the order.</summary>
        public async Task WaitAsync(TimeSpan timeout, CancellationToken ct)
        {
            await Task.WhenAny(change.Task, Task.Delay(timeout, orders.clock, ct));
            ct.ThrowIfCancellationRequested();
        }

        // Other watchers of the order fall back on their timeout.
        public void Dispose() => orders.watched.TryRemove(new(orderId, change));
    }

    private async Task<(Order? Before, Decision<Order> Decision)> SaveAsync(
        string orderId, Func<Order?, Decision<Order>> decide, CancellationToken ct, bool expectMissing = false)
    {
        var (before, decision) = await documents.UpdateAsync<Order, (Order?, Decision<Order>)>(Order.KeyOf(orderId), stored =>
        {
            var decided = decide(stored); // mutant: published-before-saved
            return decided.State is { } state && !ReferenceEquals(state, stored)
                ? new(state, (stored, decided), GetTimeToLive(state))
                : new(null, (stored, decided));
        }, ct, expectMissing);
        if (!ReferenceEquals(before, decision.State))
        {
            if (before?.Status != decision.State!.Status) LogStatus(decision.State);
            Changed?.Invoke(before, decision.State);
            if (watched.TryRemove(orderId, out var watchers)) watchers.SetResult();
        }
        return (before, decision);
    }

    private async Task PublishAsync(Decision<Order> decision, CancellationToken ct)
    {
        foreach (var e in decision.Events) await sidecar.PublishAsync(e, ct);
    }

    /// <summary>The span in which an order becomes final. Null: it did not just now, or there is no listener.</summary>
    private static Activity? StartFinalSpan(Order now, Order? before) => now.Status == before?.Status ? null : now.Status switch
    {
        OrderStatus.Confirmed => SagaTracing.Start("confirm order", now.Id),
        OrderStatus.Failed => SagaTracing.Start("fail order", now.Id)?.SetTag("order.failure", now.Failure!.Reason),
        OrderStatus.Pending or OrderStatus.Abandoned => null,
    };

    private static TimeSpan? GetTimeToLive(Order order) => order.IsClosed ? Retention.OfFinished : null;

    private void LogStatus(Order order)
    {
        switch (order.Status)
        {
            case OrderStatus.Pending:
                OrderLog.Placed(log, order.Id, order.Items.Length, order.Amounts.Final);
                break;
            case OrderStatus.Confirmed:
                OrderLog.Confirmed(log, order.Id);
                break;
            case OrderStatus.Failed:
                if (order.Failure!.Reason == OrderDecisions.StepUndone) OrderLog.CompensatedWhilePending(log, order.Id, order.Failure.Detail);
                OrderLog.Failed(log, order.Id, order.Failure.Reason,
                    string.Join(", ", order.Steps.Where(done => done.State == StepState.Done).Select(done => done.Step.Participant)));
                break;
            case OrderStatus.Abandoned:
                OrderLog.Abandoned(log, order.Id);
                break;
        }
    }
}
