using Shop.V1;

namespace Integration.Chaos;

/// <summary>An order as its client knows it.</summary>
/// <param name="Answer">To PlaceOrder.</param>
/// <param name="Told">Final statuses that the client was told, with the reason: they must stay true.</param>
internal sealed record PlacedOrder(PlaceOrderRequest Request, Order Answer, IReadOnlyList<(OrderStatus Status, string Reason)> Told)
{
    public string Id => Answer.OrderId;
}
