namespace Integration.Chaos;

internal enum ViolationKind
{
    /// <summary>Something accepted is not there, or less happened than was said.</summary>
    Lost,

    /// <summary>Something happened more than once.</summary>
    Doubled,

    /// <summary>Something has not come to its end.</summary>
    Stuck,

    /// <summary>Two things that must agree do not.</summary>
    Contradiction,
}

/// <summary>Something that must be true and is not.</summary>
/// <param name="Order">Its id; null: no single order.</param>
internal sealed record InvariantViolation(ViolationKind Kind, string? Order, string What)
{
    /// <summary>Less is lost, more is doubled; null when both are equal.</summary>
    public static InvariantViolation? Between(string what, long expected, long seen) =>
        seen == expected ? null : new(seen < expected ? ViolationKind.Lost : ViolationKind.Doubled, null, $"{what} should be {expected} and is {seen}");

    public override string ToString() => $"{Kind.ToString().ToUpperInvariant()} {What}{(Order is null ? "" : $" (order {Order})")}";
}
