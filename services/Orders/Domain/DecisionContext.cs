namespace Orders;

/// <summary>When a decision is made, and in which trace.</summary>
/// <param name="TraceId">32 hex digits. Null: it is not traced.</param>
internal sealed record DecisionContext(DateTimeOffset Now, string? TraceId)
{
    /// <summary>The age of a timestamp. One in the future comes from a wrong clock: its distance counts as its age, so that it is never waited for.</summary>
    public TimeSpan GetAge(DateTimeOffset timestamp) => (Now - timestamp).Duration(); // mutant: future-timestamp-waited-for
}
