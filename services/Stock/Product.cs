using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Saga;

namespace Stock;

/// <summary>A product as it is stored.</summary>
/// <param name="Price">Won per piece.</param>
/// <param name="Holdings">Pieces: available, reserved for open orders, sold.</param>
internal sealed record Product(string Id, string Name, long Price, Holdings Holdings, ImmutableArray<Done> Commands)
    : IShared<Product>, IRemembers<Product>
{
    public static string KeyOf(string productId) => $"product:{productId}";

    public Product With(Holdings holdings) => this with { Holdings = holdings };

    public Product Remember(ImmutableArray<Done> commands) => this with { Commands = commands };
}

[JsonSerializable(typeof(Product))]
internal sealed partial class StockStates : JsonSerializerContext;
