namespace Integration;

/// <summary>A shop with the plain path alone: one call to the sidecar for each operation, and a read before each update.</summary>
public sealed class PlainShop : RunningShop
{
    public PlainShop() => (Environment["Saga__Batching"], Environment["Saga__Caching"]) = ("false", "false");
}
