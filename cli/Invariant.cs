using System.Text.Json.Serialization;

namespace Shop;

/// <summary>Whether what must be true is.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<InvariantState>))]
internal enum InvariantState
{
    [JsonStringEnumMemberName("holds")] Holds,
    /// <summary>Not yet: an order is on its way, and will bring it about.</summary>
    [JsonStringEnumMemberName("underWay")] UnderWay,
    /// <summary>Nothing that is on its way explains it.</summary>
    [JsonStringEnumMemberName("broken")] Broken,
    /// <summary>A service that it takes did not answer; what could be looked at is right.</summary>
    [JsonStringEnumMemberName("notLookedAt")] NotLookedAt,
}

/// <summary>Something that is not as it must be.</summary>
/// <param name="Subject">The order, product, account or coupon: the same as long as it is the same that is wrong.</param>
/// <param name="What">A sentence.</param>
/// <param name="Until">It is under way, and will be right by then. Null: it will not by itself.</param>
internal sealed record Discrepancy(string Subject, string What, DateTime? Until);

/// <summary>Something that must be true, and what is not.</summary>
/// <param name="Sums">What was added up.</param>
/// <param name="NotLookedAt">Services that did not answer.</param>
internal sealed record Invariant(
    string Name, string Sums, [property: JsonIgnore] IReadOnlyList<Discrepancy> Discrepancies, IReadOnlyList<string> NotLookedAt)
{
    public InvariantState State => Discrepancies.Any(one => one.Until is null) ? InvariantState.Broken
        : Discrepancies.Count > 0 ? InvariantState.UnderWay
        : NotLookedAt.Count > 0 ? InvariantState.NotLookedAt
        : InvariantState.Holds;

    public bool Holds => State == InvariantState.Holds;

    public IReadOnlyList<string> Breaches => [.. Discrepancies.Where(one => one.Until is null).Select(one => one.What)];

    public IReadOnlyList<Discrepancy> UnderWay => [.. Discrepancies.Where(one => one.Until is not null)];
}
