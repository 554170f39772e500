using System.Collections.Concurrent;
using System.Diagnostics;
using Saga;
using Shop.V1;

namespace Orders;

/// <summary>Carries decisions on orders: saves, lets watchers know, says.</summary>
internal sealed class OrderSteps(Transition transition, TimeProvider clock, ILoggerFactory logs)
{
    private readonly TimeProvider clock = clock;
    private readonly ILogger log = logs.CreateLogger("Orders");
    private readonly ConcurrentDictionary<string, TaskCompletionSource> watched = new();

    /// <summary>An order was changed by this process, from what it was (null: there was none) to what it is.</summary>
    /// <remarks>Of two changes the later may be told first. Whoever listens neither waits nor throws.</remarks>
    public event Action<Order?, Order>? Changed;

    public Moment Now() => new(clock.GetUtcNow(), SagaTrace.TraceId);

    /// <returns>The order as it is now.</returns>
    /// <param name="decide">Pure; gets the order and the moment of deciding.</param>
    public async Task<Order> RunAsync(string orderId, Func<Order?, Moment, Decision<Order>> decide, CancellationToken stop)
    {
        var (before, decision) = await SaveAsync(orderId, order => decide(order, Now()), stop);
        using var step = EndOf(decision.State!, before);
        await transition.SayAsync(decision, stop);
        return decision.State!;
    }

    /// <summary>Saves a new order and says so. When it cannot be said now it is all the same accepted: the sweep says it again.</summary>
    /// <returns>The order; or the void one that stands in its way, when that is not <paramref name="seenVoid"/>.</returns>
    public async Task<Order> PlaceAsync(Order placed, Order? seenVoid, CancellationToken stop)
    {
        var (_, decision) = await SaveAsync(placed.Id, kept => OrderDecisions.Place(kept, placed, seenVoid), stop, isNew: seenVoid is null);
        try
        {
            await transition.SayAsync(decision, stop);
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

    internal readonly struct Watch(OrderSteps orders, string orderId, TaskCompletionSource change) : IDisposable
    {
        /// <summary>Returns at the change, or after a while: the order may have changed in another process.</summary>
        public async Task ChangeAsync(TimeSpan atMost, CancellationToken stop)
        {
            await Task.WhenAny(change.Task, Task.Delay(atMost, orders.clock, stop));
            stop.ThrowIfCancellationRequested();
        }

        // Others who watch the same order look again after a while all the same.
        public void Dispose() => orders.watched.TryRemove(new(orderId, change));
    }

    private async Task<(Order? Before, Decision<Order> Decision)> SaveAsync(string orderId, Func<Order?, Decision<Order>> decide, CancellationToken stop, bool isNew = false)
    {
        var (before, decision) = await transition.SaveAsync(Order.KeyOf(orderId), decide, KeepFor, stop, isNew);
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
        OrderStatus.Confirmed => SagaTrace.Start("confirm order", now.Id),
        OrderStatus.Failed => SagaTrace.Start("fail order", now.Id)?.SetTag("order.failure", now.Failure!.Reason),
        OrderStatus.Pending or OrderStatus.Void => null,
    };

    private static TimeSpan? KeepFor(Order order) => order.Settled ? Retention.OfFinished : null;

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
            case OrderStatus.Void:
                OrderLog.Voided(log, order.Id);
                break;
        }
    }
}
