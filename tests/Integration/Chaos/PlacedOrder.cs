using Shop.V1;

namespace Integration.Chaos;

/// <summary>An order as its client knows it.</summary>
/// <param name="Answer">The response to PlaceOrder, or to PayOrder.</param>
/// <param name="Pattern">Orchestration: by PayOrder.</param>
/// <param name="KnownOutcomes">Outcomes that the client has received: final ones must not change.</param>
internal sealed record PlacedOrder(PlaceOrderRequest Request, SagaPattern Pattern, Order Answer, IReadOnlyList<Outcome> KnownOutcomes)
{
    public string Id => Answer.OrderId;

    /// <summary>Places the order, or asks for its outcome: it has an idempotency key.</summary>
    public static async Task<Order> PlaceAsync(OrderService.OrderServiceClient orders, RetryingClient client, PlaceOrderRequest request, SagaPattern pattern) =>
        pattern == SagaPattern.Orchestration
            ? (await client.CallAsync(options => orders.PayOrderAsync(new() { Order = request }, options))).Order
            : (await client.CallAsync(options => orders.PlaceOrderAsync(request, options))).Order;
}
