using System.Collections.Concurrent;

namespace Saga;

/// <summary>How often this process has failed to handle an event. What others have tried is not known here.</summary>
internal sealed class DeliveryAttempts
{
    /// <summary>Of more events than this the counts begin anew: they are for people to read.</summary>
    private const int EventsMax = 1_000;

    private readonly ConcurrentDictionary<string, int> failed = new();

    /// <summary>Which attempt at this event the next one is, from 1.</summary>
    public int NextOf(string eventId) => failed.TryGetValue(eventId, out var before) ? before + 1 : 1;

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
