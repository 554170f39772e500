using System.Runtime.CompilerServices;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>Finds an order, follows it, and explains it.</summary>
internal sealed class OrderQueries(OrderStore orders, ISidecar sidecar, SagaTimeouts timeouts, TimeProvider clock)
{
    /// <summary>A change made by another instance is seen after this time.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(500);

    /// <param name="field">What the client calls it.</param>
    /// <exception cref="RejectedException">It is neither an order id nor an order number, or there is no such order.</exception>
    public async Task<Order> FindAsync(string idOrNumber, CancellationToken ct, string field = "order")
    {
        new RequestCheck().Must(OrderNumber.TryParse(idOrNumber, out var id, out var wrong), field, $"'{idOrNumber}' {wrong}").ThrowIfInvalid();
        return (await sidecar.ReadAsync<Order>(Order.KeyOf(id.ToString()), ct)).Value is { Status: not OrderStatus.Abandoned } order
            ? order
            : throw new RejectedException(Rejection.NotFound("order", idOrNumber));
    }

    /// <summary>The order as it stands: now, at every change, and at least twice a second, until nothing more will happen.</summary>
    public async IAsyncEnumerable<Order> WatchAsync(string orderId, [EnumeratorCancellation] CancellationToken ct)
    {
        while (true)
        {
            using var watch = orders.WatchNext(orderId);
            var order = await FindAsync(orderId, ct);
            yield return order;
            if (order.IsClosed) yield break;
            await watch.UpdateAsync(LookAgain, ct);
        }
    }

    public Wire.ExplainOrderResponse Explain(Order order)
    {
        var explanation = Explanation.Of(order, timeouts, clock.GetUtcNow());
        return new()
        {
            Order = OrderMapping.From(order),
            Timeline = { Enumerable.Range(1, order.Timeline.Length).Select(revision => OrderMapping.From(order, revision)) },
            WaitsFor = { explanation.WaitsFor },
            Next = explanation.Next,
        };
    }
}
