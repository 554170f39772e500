using System.Collections.Concurrent;
using System.Diagnostics;

namespace Shop.Load;

/// <summary>The outcomes of a load so far. Thread-safe.</summary>
public sealed class LoadStats
{
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private readonly ConcurrentDictionary<string, LatencySamples> failed = new();
    private readonly ConcurrentDictionary<string, int> notPlaced = new();
    private int begun, notEnded, unexpected;

    /// <summary>From the request to its answer.</summary>
    public LatencySamples Placed { get; } = new();

    /// <summary>From the request to CONFIRMED.</summary>
    public LatencySamples Confirmed { get; } = new();

    /// <summary>By reason, from the request to FAILED.</summary>
    public IEnumerable<KeyValuePair<string, LatencySamples>> Failed => failed.OrderBy(reason => reason.Key, StringComparer.Ordinal);

    /// <summary>Number of refused requests by status code, such as "UNAVAILABLE".</summary>
    public IEnumerable<KeyValuePair<string, int>> NotPlaced => notPlaced.OrderBy(code => code.Key, StringComparer.Ordinal);

    /// <summary>Since this was created, until <see cref="Stop"/>.</summary>
    public TimeSpan Elapsed => watch.Elapsed;

    /// <summary>Number of placed orders that had no final status in time.</summary>
    public int NotEnded => notEnded;

    /// <summary>Number of orders with another outcome than intended.</summary>
    public int Unexpected => unexpected;

    /// <summary>Number of placed orders without an outcome yet.</summary>
    public int Open => Placed.Percentiles.Count - Confirmed.Percentiles.Count - failed.Values.Sum(samples => samples.Percentiles.Count) - notEnded;

    /// <summary>All orders were placed, and each that has ended has the intended outcome.</summary>
    public bool IsAsItShouldBe => notPlaced.IsEmpty && notEnded == 0 && unexpected == 0;

    /// <param name="limit">Maximum number of orders.</param>
    /// <returns>Its number, from 0. Null: the limit is reached.</returns>
    public int? Begin(int limit) => Interlocked.Increment(ref begun) is var number && number <= limit ? number - 1 : null;

    /// <summary>Counts a refused request.</summary>
    /// <param name="code">The status code.</param>
    public void AddNotPlaced(string code) => notPlaced.AddOrUpdate(code, 1, (_, count) => count + 1);

    /// <summary>Counts an order without a final status in time.</summary>
    public void AddNotEnded() => Interlocked.Increment(ref notEnded);

    /// <summary>Counts an order that has ended.</summary>
    /// <param name="reason">Why it failed. Empty: it is confirmed.</param>
    /// <param name="intended">The reason for which it was made to fail. Empty: it was to be confirmed.</param>
    /// <param name="latency">From the request to the final status.</param>
    public void AddEnded(string reason, string intended, TimeSpan latency)
    {
        (reason.Length == 0 ? Confirmed : failed.GetOrAdd(reason, _ => new())).Add(latency);
        if (reason != intended) Interlocked.Increment(ref unexpected);
    }

    public void Stop() => watch.Stop();
}
