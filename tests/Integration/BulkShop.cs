namespace Integration;

/// <summary>A shop with bulk subscriptions and a collector for its traces.</summary>
public sealed class BulkShop : TracedShop
{
    public BulkShop() => Environment["Saga__BulkSubscribe"] = "true";
}
