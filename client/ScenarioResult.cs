using Shop.V1;

namespace Shop;

/// <summary>The outcome of a scenario.</summary>
/// <param name="Name">Of the scenario.</param>
/// <param name="Timeline">The order's events, oldest first.</param>
public sealed record ScenarioResult(string Name, string OrderNumber, IReadOnlyList<Finding> Findings, IReadOnlyList<TimelineEntry> Timeline)
{
    /// <summary>All findings hold.</summary>
    public bool Holds => Findings.All(finding => finding.Holds);
}
