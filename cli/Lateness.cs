namespace Shop;

/// <summary>By when a participant has done its part after its cause, whatever was lost or died meanwhile.</summary>
/// <param name="Deadline">Of an order; what is held for longer is asked about by a sweep.</param>
internal sealed record Lateness(TimeSpan Deadline)
{
    /// <summary>Clocks of different machines may differ by so much.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);

    /// <summary>An event that a dead consumer had read is claimed by another: processingTimeout, then up to redeliverInterval (components/pubsub.yaml).</summary>
    private static readonly TimeSpan Redelivery = TimeSpan.FromSeconds(60 + 15);

    /// <summary>What an instance held when it died is looked after by another once it has been silent for so long.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(20);

    /// <summary>A few sweeps, and the handling itself.</summary>
    private static readonly TimeSpan Sweeps = TimeSpan.FromSeconds(10);

    /// <summary>An order is at rest by then.</summary>
    public TimeSpan Order => 2 * Deadline;

    public DateTime DueAfter(DateTime cause) => cause + Sweeps + (Redelivery > Deadline + Silence ? Redelivery : Deadline + Silence);

    /// <summary>Not even a clock that is off explains why it has not happened.</summary>
    public bool IsOverdue(DateTime cause, DateTime now) => now > DueAfter(cause) + ClockSkew;
}
