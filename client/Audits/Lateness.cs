namespace Shop.Audits;

/// <summary>The latest time at which a participant reacts to an event, including redeliveries, crashes and sweeps.</summary>
/// <param name="Deadline">The deadline of an order; a reservation held for longer is checked by a sweep.</param>
internal sealed record Lateness(TimeSpan Deadline)
{
    /// <summary>Maximum difference between the clocks of two machines.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);

    /// <summary>
    /// An event that a crashed consumer had read is claimed after processingTimeout and at most one redeliverInterval
    /// (components/pubsub.yaml).
    /// </summary>
    private static readonly TimeSpan Redelivery = TimeSpan.FromSeconds(60 + 15);

    /// <summary>After this time without a sign of life the open orders of an instance are taken over by another.</summary>
    private static readonly TimeSpan TakeOver = TimeSpan.FromSeconds(20);

    /// <summary>A few sweeps and the handling itself.</summary>
    private static readonly TimeSpan Sweeps = TimeSpan.FromSeconds(10);

    /// <summary>Age at which an order is closed.</summary>
    public TimeSpan Order => 2 * Deadline;

    public DateTime GetDueTime(DateTime cause) => cause + Sweeps + (Redelivery > Deadline + TakeOver ? Redelivery : Deadline + TakeOver);

    /// <summary>Later than due by more than clock skew explains.</summary>
    public bool IsOverdue(DateTime cause, DateTime now) => now > GetDueTime(cause) + ClockSkew;
}
