using Shop.V1;

namespace Integration.Chaos;

/// <summary>An order as its client knows it.</summary>
/// <param name="Answer">The response to PlaceOrder.</param>
/// <param name="KnownOutcomes">Outcomes that the client has received: final ones must not change.</param>
internal sealed record PlacedOrder(PlaceOrderRequest Request, Order Answer, IReadOnlyList<Outcome> KnownOutcomes)
{
    public string Id => Answer.OrderId;
}
