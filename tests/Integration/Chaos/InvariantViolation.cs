namespace Integration.Chaos;

/// <summary>An invariant that does not hold after a run.</summary>
/// <param name="Order">Order id. Null: it concerns no single order.</param>
internal sealed record InvariantViolation(ViolationKind Kind, string? Order, string What)
{
    /// <summary>Compares two quantities: less than expected is lost, more is doubled.</summary>
    /// <returns>Null: they are equal.</returns>
    public static InvariantViolation? Between(string what, long expected, long actual) =>
        actual == expected ? null : new(actual < expected ? ViolationKind.Lost : ViolationKind.Doubled, null, $"{what} should be {expected} and is {actual}");

    public override string ToString() => $"{Kind.ToString().ToUpperInvariant()} {What}{(Order is null ? "" : $" (order {Order})")}";
}
