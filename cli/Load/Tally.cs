using System.Collections.Concurrent;
using System.Diagnostics;

namespace Shop.Load;

/// <summary>What has become of the orders of a load so far. For many threads.</summary>
internal sealed class Tally
{
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private readonly ConcurrentDictionary<string, Series> failed = new();
    private readonly ConcurrentDictionary<string, int> notPlaced = new();
    private int begun, notEnded, unexpected;

    /// <summary>From the request to its answer.</summary>
    public Series Placed { get; } = new();

    /// <summary>From the request to the news of it.</summary>
    public Series Confirmed { get; } = new();

    public TimeSpan Elapsed => watch.Elapsed;

    /// <summary>By reason, from the request to the news of it.</summary>
    public IEnumerable<KeyValuePair<string, Series>> Failed => failed.OrderBy(reason => reason.Key, StringComparer.Ordinal);

    /// <summary>By the code of the answer.</summary>
    public IEnumerable<KeyValuePair<string, int>> NotPlaced => notPlaced.OrderBy(code => code.Key, StringComparer.Ordinal);

    /// <summary>So many orders have been begun, whatever became of them.</summary>
    public int Begun => begun;

    /// <summary>Placed, and not final for longer than anybody should wait.</summary>
    public int NotEnded => notEnded;

    /// <summary>Ended otherwise than they were made to.</summary>
    public int Unexpected => unexpected;

    public int Open => Placed.Spread.Count - Confirmed.Spread.Count - failed.Values.Sum(series => series.Spread.Count) - notEnded;

    /// <summary>Every order that was placed has ended as it was made to.</summary>
    public bool IsAsItShouldBe => notPlaced.IsEmpty && notEnded == 0 && unexpected == 0;

    /// <returns>Its number, from 0; null: there are enough.</returns>
    public int? Begin(int most) => Interlocked.Increment(ref begun) is var number && number <= most ? number - 1 : null;

    public void DidNotPlace(string code) => notPlaced.AddOrUpdate(code, 1, (_, so) => so + 1);

    public void DidNotEnd() => Interlocked.Increment(ref notEnded);

    /// <param name="reason">Empty: it is confirmed.</param>
    /// <param name="intended">The reason for which it was made to fail. Empty: it was not.</param>
    public void Ended(string reason, string intended, TimeSpan took)
    {
        (reason.Length == 0 ? Confirmed : failed.GetOrAdd(reason, _ => new())).Add(took);
        if (reason != intended) Interlocked.Increment(ref unexpected);
    }

    public void Stop() => watch.Stop();
}
