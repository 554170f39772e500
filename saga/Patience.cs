namespace Saga;

/// <summary>How long to wait before deciding anew after somebody else wrote first.</summary>
public sealed class ConflictBackoff(TimeProvider clock, Random random)
{
    /// <summary>So often in a row, and the work is handed back to be redelivered.</summary>
    public const int MaxRetries = 40;

    /// <summary>Waits, longer each time and never the same: 0 to 2 ms at first, 0 to 64 ms in the end.</summary>
    /// <param name="attempt">How many times in a row the write was lost, from 1.</param>
    /// <exception cref="ContentionException">Lost more than <see cref="MaxRetries"/> times.</exception>
    public Task DelayAsync(int attempt, CancellationToken ct)
    {
        if (attempt > MaxRetries) throw new ContentionException();
        double most;
        lock (random) most = random.NextDouble() * Math.Min(1 << Math.Min(attempt, 6), 64);
        return Task.Delay(TimeSpan.FromMilliseconds(most), clock, ct);
    }
}

/// <summary>Too many others were writing the same document.</summary>
public sealed class ContentionException() : Exception(
    $"Another writer was first {ConflictBackoff.MaxRetries} times in a row. Nothing is lost; the same request can be sent again.");

/// <summary>How long what is over is remembered.</summary>
public static class Retention
{
    /// <summary>Far beyond any deadline or redelivery: as long as it lives, a record also recognises what comes late or again.</summary>
    public static readonly TimeSpan OfFinished = TimeSpan.FromDays(7);

    /// <summary>Shorter: what is redriven must still be recognised.</summary>
    public static readonly TimeSpan OfDeadLetters = TimeSpan.FromDays(6);
}
