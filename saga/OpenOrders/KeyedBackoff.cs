namespace Saga.OpenOrders;

/// <summary>Exponential backoff per key, such as the id of an order, in the memory of this process: after a restart the delays begin anew.</summary>
/// <param name="min">The first delay. Each further one is twice as long.</param>
/// <param name="max">The longest delay.</param>
internal sealed class KeyedBackoff(TimeSpan min, TimeSpan max, TimeProvider clock)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, (long Since, TimeSpan Delay)> delayed = [];

    /// <summary>True: the delay of the key is not over.</summary>
    public bool IsDelayed(string key)
    {
        lock (gate) return delayed.TryGetValue(key, out var last) && clock.GetElapsedTime(last.Since) < last.Delay;
    }

    /// <summary>Delays the key.</summary>
    /// <returns>For how long.</returns>
    public TimeSpan Delay(string key)
    {
        lock (gate)
        {
            var delay = delayed.TryGetValue(key, out var last) ? last.Delay * 2 : min;
            if (delay > max) delay = max;
            delayed[key] = (clock.GetTimestamp(), delay);
            return delay;
        }
    }

    /// <summary>Forgets the delays of the key.</summary>
    public void Reset(string key)
    {
        lock (gate) delayed.Remove(key);
    }
}
