using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Stock;

/// <summary>A product as it is stored.</summary>
/// <param name="Price">Won per piece.</param>
/// <param name="Holdings">Pieces: available, reserved for open orders, sold.</param>
internal sealed record Product(string Id, string Name, long Price, Holdings Holdings, ImmutableArray<CompletedCommand> Commands, int ArchivedCommands = 0)
    : IHasHoldings<Product>, IHasCommandHistory<Product>
{
    /// <summary>Won per piece, at most.</summary>
    public const long PriceMax = 1_000_000_000;

    public static string KeyOf(string productId) => $"product:{productId}";

    public string? FindProblem(string key) =>
        key != KeyOf(Id) ? $"it is of product '{Id}'"
        : Price is < 0 or > PriceMax ? $"its price is {Price}"
        : Holdings.FindProblem() ?? CompletedCommand.FindProblem(Commands);

    public Product With(Holdings holdings) => this with { Holdings = holdings };

    public Product WithCommands(ImmutableArray<CompletedCommand> commands, int archived) => this with { Commands = commands, ArchivedCommands = archived };
}

[JsonSerializable(typeof(Product))]
internal sealed partial class StockJsonContext : JsonSerializerContext;
