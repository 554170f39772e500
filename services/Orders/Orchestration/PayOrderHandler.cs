using Wire = Shop.V1;

namespace Orders;

/// <summary>Handles PayOrder: places an order, and carries it out before it answers.</summary>
internal sealed class PayOrderHandler(PlaceOrderHandler placing, Orchestrator orchestrator, OrderStore orders, SagaTimeouts timeouts, TimeProvider clock)
{
    /// <summary>Until a participant that has not answered is called again. It doubles with each call.</summary>
    private static readonly TimeSpan DelayMin = TimeSpan.FromMilliseconds(50), DelayMax = TimeSpan.FromSeconds(1);

    /// <returns>The order, CONFIRMED or FAILED; with a used idempotency key that of the first call.</returns>
    /// <inheritdoc cref="PlaceOrderHandler.PlaceAsync"/>
    public async Task<Order> PayAsync(Wire.PlaceOrderRequest request, Caller caller, CancellationToken ct)
    {
        var placed = await placing.PlaceAsync(request, caller, SagaPattern.Orchestration, ct);
        // A caller that gives up does not stop it.
        return await CarryOutAsync(placed).WaitAsync(ct);
    }

    /// <summary>Calls the participants until the order is final, at the latest at Saga:PayDeadline.</summary>
    public async Task<Order> CarryOutAsync(Order placed)
    {
        var (order, started) = (placed, clock.GetTimestamp());
        for (var delay = DelayMin; ; delay = delay * 2 < DelayMax ? delay * 2 : DelayMax)
        {
            (order, _) = await orchestrator.RunAsync(order, default);
            if (order.Status != OrderStatus.Pending) return order;
            if (clock.GetElapsedTime(started) + delay >= timeouts.PayDeadline) break;
            await Task.Delay(delay, clock);
        }
        order = await orders.RecordAsync(order.Id, (stored, at) => OrderDecisions.Expire(stored, timeouts, at), default);
        return (await orchestrator.RunAsync(order, default)).Order;
    }
}
