using System.Runtime.CompilerServices;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>Finds an order, follows it, and explains it.</summary>
internal sealed class OrderLookup(OrderSteps orders, ISidecar sidecar, Limits limits, TimeProvider clock)
{
    /// <summary>A change made by another instance is seen after this time.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(500);

    /// <param name="field">What the client calls it.</param>
    /// <exception cref="RejectedException">It is neither an order id nor an order number, or there is no such order.</exception>
    public async Task<Order> FindAsync(string idOrNumber, CancellationToken stop, string field = "order")
    {
        new RequestCheck().Must(OrderNumber.TryParse(idOrNumber, out var id, out var wrong), field, $"'{idOrNumber}' {wrong}").Done();
        return (await sidecar.ReadAsync<Order>(Order.KeyOf(id.ToString()), stop)).Value is { Status: not OrderStatus.Void } order
            ? order
            : throw new RejectedException(Rejection.NotFound("order", idOrNumber));
    }

    /// <summary>The order as it stands: now, at every change, and at least twice a second, until nothing more will happen.</summary>
    public async IAsyncEnumerable<Order> WatchAsync(string orderId, [EnumeratorCancellation] CancellationToken stop)
    {
        while (true)
        {
            using var watch = orders.WatchNext(orderId);
            var order = await FindAsync(orderId, stop);
            yield return order;
            if (order.Settled) yield break;
            await watch.ChangeAsync(LookAgain, stop);
        }
    }

    public Wire.ExplainOrderResponse Explain(Order order)
    {
        var explanation = Explanation.Of(order, limits, clock.GetUtcNow());
        return new()
        {
            Order = OrderWire.From(order),
            Timeline = { Enumerable.Range(1, order.Timeline.Length).Select(revision => OrderWire.From(order, revision)) },
            WaitsFor = { explanation.WaitsFor },
            Next = explanation.Next,
        };
    }
}
