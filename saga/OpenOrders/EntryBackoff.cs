namespace Saga.OpenOrders;

/// <summary>Exponential backoff per order, in the memory of this process: after a restart the delays begin anew.</summary>
/// <param name="min">The first delay. Each further one is twice as long.</param>
/// <param name="max">The longest delay.</param>
internal sealed class EntryBackoff(TimeSpan min, TimeSpan max, TimeProvider clock)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, (long Since, TimeSpan Delay)> delayed = [];

    /// <summary>True: the delay of the order is not over.</summary>
    public bool IsDelayed(string orderId)
    {
        lock (gate) return delayed.TryGetValue(orderId, out var last) && clock.GetElapsedTime(last.Since) < last.Delay;
    }

    /// <summary>Delays the order.</summary>
    /// <returns>For how long.</returns>
    public TimeSpan Delay(string orderId)
    {
        lock (gate)
        {
            var delay = delayed.TryGetValue(orderId, out var last) ? last.Delay * 2 : min;
            if (delay > max) delay = max;
            delayed[orderId] = (clock.GetTimestamp(), delay);
            return delay;
        }
    }

    /// <summary>Forgets the delays of the order.</summary>
    public void Reset(string orderId)
    {
        lock (gate) delayed.Remove(orderId);
    }
}
