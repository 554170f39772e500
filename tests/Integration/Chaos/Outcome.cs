using Shop.V1;

namespace Integration.Chaos;

/// <summary>The status of an order and, when it failed, the reason.</summary>
internal sealed record Outcome(OrderStatus Status, string Reason);
