namespace Shop.Load;

/// <summary>How long something took, again and again. For many threads.</summary>
internal sealed class Series
{
    private readonly Lock gate = new();
    private readonly List<double> milliseconds = [];

    public void Add(TimeSpan took)
    {
        lock (gate) milliseconds.Add(took.TotalMilliseconds);
    }

    public Spread Spread
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
}

/// <summary>So many, and in which time: half of them, all but one in a hundred, the slowest. In milliseconds; 0 when there are none.</summary>
internal readonly record struct Spread(int Count, double P50, double P99, double Max);
