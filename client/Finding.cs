namespace Shop;

/// <summary>One expectation of a scenario, and what was seen.</summary>
/// <param name="What">What was compared, such as "reason".</param>
/// <param name="AlsoAccepted">A second value that is right as well. Null: none.</param>
public sealed record Finding(string What, string Expected, string Seen, string? AlsoAccepted = null)
{
    /// <summary>An accepted value was seen.</summary>
    public bool Holds => Seen == Expected || Seen == AlsoAccepted;
}
