namespace Shop.Load;

/// <summary>Collects latencies. Thread-safe.</summary>
public sealed class LatencySamples
{
    private readonly Lock gate = new();
    private readonly List<double> milliseconds = [];

    /// <summary>The samples so far.</summary>
    public Percentiles Percentiles
    {
        get
        {
            double[] sorted;
            lock (gate) sorted = [.. milliseconds];
            Array.Sort(sorted);
            return sorted.Length == 0 ? default : new(sorted.Length, At(0.5), At(0.99), sorted[^1]);

            double At(double share) => sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
        }
    }

    /// <summary>Adds one sample.</summary>
    public void Add(TimeSpan latency)
    {
        lock (gate) milliseconds.Add(latency.TotalMilliseconds);
    }
}
