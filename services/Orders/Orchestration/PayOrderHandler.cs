using System.Collections.Concurrent;

namespace Orders;

/// <summary>Handles PayOrder: places an order, and carries it out before it answers.</summary>
internal sealed class PayOrderHandler(PlaceOrderHandler placing, Orchestrator orchestrator, OrderStore orders, SagaTimeouts timeouts, TimeProvider clock)
{
    /// <summary>Until a participant that has not answered is called again. It doubles with each call.</summary>
    private static readonly TimeSpan DelayMin = TimeSpan.FromMilliseconds(50), DelayMax = TimeSpan.FromSeconds(1);

    /// <summary>By order id: retries of a client share the run that is going on.</summary>
    private readonly ConcurrentDictionary<string, Lazy<Task<Order>>> runs = new();

    /// <returns>The order, CONFIRMED or FAILED; with a used idempotency key that of the first call.</returns>
    /// <inheritdoc cref="PlaceOrderHandler.PlaceAsync"/>
    public async Task<Order> PayAsync(Shop.V1.PlaceOrderRequest request, Caller caller, CancellationToken ct)
    {
        var placed = await placing.PlaceAsync(request, caller, SagaPattern.Orchestration, ct);
        // A caller that gives up does not stop it.
        return await runs.GetOrAdd(placed.Id, id => new(() => RunAsync(id))).Value.WaitAsync(ct);

        async Task<Order> RunAsync(string id)
        {
            try
            {
                return await CarryOutAsync(placed);
            }
            finally
            {
                runs.TryRemove(id, out _);
            }
        }
    }

    /// <summary>
    /// Calls the participants until the order is final. After Saga:PayDeadline, or once the order is older, none is asked to reserve any more: it fails.
    /// </summary>
    public async Task<Order> CarryOutAsync(Order placed)
    {
        var (order, started) = (placed, clock.GetTimestamp());
        for (var delay = DelayMin; !IsLate(); delay = delay * 2 < DelayMax ? delay * 2 : DelayMax)
        {
            try
            {
                order = await orchestrator.RunAsync(order, MayCall, default);
                if (order.Status != OrderStatus.Pending) return order;
            }
            catch (Exception fault) when (Faults.IsTransient(fault))
            {
                // The store did not answer. The next run makes the last call again.
            }
            await Task.Delay(delay, clock);
        }
        order = await orders.RecordAsync(order.Id, (stored, at) => OrderDecisions.Expire(stored, timeouts, at), default);
        return await orchestrator.RunAsync(order, MayCall, default);

        bool MayCall(Order now, Step step) => now.Status == OrderStatus.Failed || !IsLate();

        bool IsLate() => clock.GetElapsedTime(started) >= timeouts.PayDeadline || orders.Now().GetAge(placed.Placed) >= timeouts.PayDeadline;
    }
}
