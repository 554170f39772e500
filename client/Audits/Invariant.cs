using System.Text.Json.Serialization;

namespace Shop.Audits;

/// <summary>A statement that must be true of every shop, and the differences that a snapshot shows.</summary>
/// <param name="Name">The statement: "stock adds up".</param>
/// <param name="Sums">The quantities that were compared, for people.</param>
/// <param name="Discrepancies">Empty: none was found.</param>
/// <param name="NotChecked">Names of services that it needs and that did not answer.</param>
public sealed record Invariant(
    string Name, string Sums, [property: JsonIgnore] IReadOnlyList<Discrepancy> Discrepancies,
    [property: JsonPropertyName("notLookedAt")] IReadOnlyList<string> NotChecked)
{
    /// <summary>Why each of <see cref="NotChecked"/> could not be read, in the same order: its name, a colon, and the error.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Broken goes before under way, and that before not checked.</summary>
    public InvariantState State => Discrepancies.Any(one => one.Until is null) ? InvariantState.Broken
        : Discrepancies.Count > 0 ? InvariantState.UnderWay
        : NotChecked.Count > 0 ? InvariantState.NotChecked
        : InvariantState.Holds;

    /// <summary>All services answered and no difference was found.</summary>
    public bool Holds => State == InvariantState.Holds;

    /// <summary>The sentences of the differences that no order in progress explains.</summary>
    [JsonPropertyName("breaches")]
    public IReadOnlyList<string> Violations => [.. Discrepancies.Where(one => one.Until is null).Select(one => one.What)];

    /// <summary>The differences that an order in progress explains.</summary>
    public IReadOnlyList<Discrepancy> UnderWay => [.. Discrepancies.Where(one => one.Until is not null)];
}
