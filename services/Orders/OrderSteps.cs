using System.Collections.Concurrent;
using System.Diagnostics;
using Saga;
using Shop.V1;

namespace Orders;

/// <summary>Carries decisions on orders: saves, lets watchers know, says.</summary>
internal sealed class OrderStore(Transition transition, TimeProvider clock, ILoggerFactory logs)
{
    private readonly TimeProvider clock = clock;
    private readonly ILogger log = logs.CreateLogger("Orders");
    private readonly ConcurrentDictionary<string, TaskCompletionSource> watched = new();

    /// <summary>An order was changed by this process, from what it was (null: there was none) to what it is.</summary>
    /// <remarks>Of two changes the later may be told first. Whoever listens neither waits nor throws.</remarks>
    public event Action<Order?, Order>? Changed;

    public DecisionContext Now() => new(clock.GetUtcNow(), SagaTracing.TraceId);

    /// <returns>The order as it is now.</returns>
    /// <param name="decide">Pure; gets the order and the moment of deciding.</param>
    public async Task<Order> RunAsync(string orderId, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct)
    {
        var (before, decision) = await SaveAsync(orderId, order => decide(order, Now()), ct);
        using var step = EndOf(decision.State!, before);
        await transition.PublishAsync(decision, ct);
        return decision.State!;
    }

    /// <summary>Saves a new order and says so. When it cannot be said now it is all the same accepted: the sweep says it again.</summary>
    /// <returns>The order; or the void one that stands in its way, when that is not <paramref name="seenAbandoned"/>.</returns>
    public async Task<Order> PlaceAsync(Order placed, Order? seenAbandoned, CancellationToken ct)
    {
        var (_, decision) = await SaveAsync(placed.Id, kept => OrderDecisions.Place(kept, placed, seenAbandoned), ct, expectMissing: seenAbandoned is null);
        try
        {
            await transition.PublishAsync(decision, ct);
        }
        catch (Dapr.DaprException fault)
        {
            OrderLog.NotSaidYet(log, placed.Id, fault.Message);
        }
        return decision.State!;
    }

    /// <summary>Watches an order from now on for its next change in this process. Dispose it when it is of no more interest.</summary>
    public Watch WatchNext(string orderId) =>
        new(this, orderId, watched.GetOrAdd(orderId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)));

    internal readonly struct Watch(OrderStore orders, string orderId, TaskCompletionSource change) : IDisposable
    {
        /// <summary>Returns at the change, or after a while: the order may have changed in another process.</summary>
        public async Task UpdateAsync(TimeSpan atMost, CancellationToken ct)
        {
            await Task.WhenAny(change.Task, Task.Delay(atMost, orders.clock, ct));
            ct.ThrowIfCancellationRequested();
        }

        // Others who watch the same order look again after a while all the same.
        public void Dispose() => orders.watched.TryRemove(new(orderId, change));
    }

    private async Task<(Order? Before, Decision<Order> Decision)> SaveAsync(string orderId, Func<Order?, Decision<Order>> decide, CancellationToken ct, bool expectMissing = false)
    {
        var (before, decision) = await transition.SaveAsync(Order.KeyOf(orderId), decide, TimeToLive, ct, expectMissing);
        if (!ReferenceEquals(before, decision.State))
        {
            if (before?.Status != decision.State!.Status) LogStatus(decision.State);
            Changed?.Invoke(before, decision.State);
            if (watched.TryRemove(orderId, out var watchers)) watchers.SetResult();
        }
        return (before, decision);
    }

    /// <summary>The step in which an order becomes final. Null: it did not just now, or nobody listens.</summary>
    private static Activity? EndOf(Order now, Order? before) => now.Status == before?.Status ? null : now.Status switch
    {
        OrderStatus.Confirmed => SagaTracing.Start("confirm order", now.Id),
        OrderStatus.Failed => SagaTracing.Start("fail order", now.Id)?.SetTag("order.failure", now.Failure!.Reason),
        OrderStatus.Pending or OrderStatus.Abandoned => null,
    };

    private static TimeSpan? TimeToLive(Order order) => order.IsClosed ? Retention.OfFinished : null;

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
                OrderLog.Failed(log, order.Id, order.Failure!.Reason,
                    string.Join(", ", Order.Steps.Where(done => order[done].State == StepState.Done).Select(OrderDecisions.Name)));
                break;
            case OrderStatus.Abandoned:
                OrderLog.Abandoned(log, order.Id);
                break;
        }
    }
}
