namespace Saga.State;

/// <summary>Exponential backoff with full jitter between retries of a compare-and-set that met a conflict.</summary>
internal sealed class ConflictBackoff(TimeProvider clock, Random random)
{
    /// <summary>Retries in a row before the work is handed back, to be redelivered.</summary>
    public const int MaxRetries = 40;

    private const int MaxDelayMs = 64;

    public TimeProvider Clock => clock;

    /// <summary>Waits a random time below 2 ms on the first attempt, doubling up to 64 ms.</summary>
    /// <param name="attempt">Conflicts in a row, from 1.</param>
    /// <exception cref="ContentionException">More than <see cref="MaxRetries"/> conflicts in a row.</exception>
    public Task DelayAsync(int attempt, CancellationToken ct)
    {
        if (attempt > MaxRetries) throw new ContentionException();
        double delay;
        lock (random) delay = random.NextDouble() * Math.Min(1 << Math.Min(attempt, 6), MaxDelayMs);
        return Task.Delay(TimeSpan.FromMilliseconds(delay), clock, ct);
    }
}

/// <summary>Other writers of the same document won every compare-and-set.</summary>
internal sealed class ContentionException() : Exception(
    $"Another writer was first {ConflictBackoff.MaxRetries} times in a row.");
