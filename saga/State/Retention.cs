namespace Saga.State;

/// <summary>How long closed records are kept. A record recognises duplicates and late deliveries as long as it lives.</summary>
internal static class Retention
{
    /// <summary>Far beyond any deadline or redelivery.</summary>
    public static readonly TimeSpan OfFinished = TimeSpan.FromDays(7);

    /// <summary>Shorter than <see cref="OfFinished"/>: a redriven event must still meet the record that recognises it.</summary>
    public static readonly TimeSpan OfDeadLetters = TimeSpan.FromDays(6);
}
