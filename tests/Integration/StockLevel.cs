using Shop.V1;

namespace Integration;

/// <summary>Quantities of a product, in pieces.</summary>
internal sealed record StockLevel(long Available, long Held, long Sold = 0)
{
    public static StockLevel From(Product product) => new(product.Available, product.Held, product.Sold);
}
