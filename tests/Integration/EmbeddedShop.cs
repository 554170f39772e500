namespace Integration;

/// <summary>A shop without Redis, with all state in the memory of the runner.</summary>
public sealed class EmbeddedShop() : RunningShop(embedded: true);
