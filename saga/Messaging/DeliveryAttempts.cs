using System.Collections.Concurrent;

namespace Saga.Messaging;

/// <summary>Failed deliveries per event in this process; attempts of other instances are unknown here.</summary>
internal sealed class DeliveryAttempts
{
    /// <summary>Events counted, at most. Then all counts start over: they only serve the log.</summary>
    private const int EventsMax = 1_000;

    private readonly ConcurrentDictionary<string, int> failed = new();

    /// <summary>The number of the next attempt, from 1.</summary>
    public int GetNext(string eventId) => failed.TryGetValue(eventId, out var before) ? before + 1 : 1;

    public void Failed(string eventId, int attempt)
    {
        if (failed.Count >= EventsMax) failed.Clear();
        failed[eventId] = attempt;
    }

    public void Succeeded(string eventId, int attempt)
    {
        if (attempt > 1) failed.TryRemove(eventId, out _);
    }
}
