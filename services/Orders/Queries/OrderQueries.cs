using System.Runtime.CompilerServices;

namespace Orders;

/// <summary>Finds, watches and explains one order.</summary>
internal sealed class OrderQueries(OrderStore orders, Orchestrator orchestrator, ISidecar sidecar, SagaSteps steps, SagaTimeouts timeouts, TimeProvider clock)
{
    /// <summary>Poll interval of a watch: changes by other instances are seen after it.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    /// <param name="field">The name of the field in the client's request.</param>
    /// <exception cref="RejectedException">
    /// It is neither an order id nor an order number, or there is no such order that the caller may see.
    /// </exception>
    public async Task<Order> FindAsync(string idOrNumber, Caller caller, CancellationToken ct, string field = "order")
    {
        new RequestCheck().Must(OrderNumber.TryParse(idOrNumber, out var id, out var problem), field, $"'{idOrNumber}' {problem}").ThrowIfInvalid();
        return (await sidecar.ReadAsync<Order>(Order.KeyOf(id.ToString()), ct)).Value is { Status: not OrderStatus.Abandoned } order
            && caller.MaySee(order.UserId)
            ? order
            : throw new RejectedException(Rejection.NotFound("order", idOrNumber));
    }

    /// <summary>Streams an order that the caller may see: now, at every change, and at least twice a second, until it is closed.</summary>
    public async IAsyncEnumerable<Order> WatchAsync(string orderId, [EnumeratorCancellation] CancellationToken ct)
    {
        while (true)
        {
            using var watch = orders.WatchChange(orderId);
            var order = await FindAsync(orderId, Caller.Anyone, ct);
            yield return order;
            if (order.IsClosed) yield break;
            await watch.WaitAsync(PollInterval, ct);
        }
    }

    public Shop.V1.ExplainOrderResponse Explain(Order order)
    {
        var explanation = Explanation.Of(order, steps, timeouts, clock.GetUtcNow(), orchestrator.GetProblem);
        return new()
        {
            Order = OrderMapping.From(order),
            Timeline = { Enumerable.Range(1, order.Timeline.Length).Select(revision => OrderMapping.From(order, revision)) },
            WaitsFor = { explanation.WaitsFor },
            Next = explanation.Next,
        };
    }
}
