namespace Saga.Tests;

/// <summary>Looks for a violation: runs a few simulations, which find most, walks the interleavings, then runs the other simulations.</summary>
public static class Search
{
    private const int FirstSeeds = 50;

    /// <param name="seeds">Simulations to run, at most.</param>
    /// <returns>A violation, in a sentence. Null: there was none.</returns>
    public static string? Run(int seeds)
    {
        if (Simulate(0, FirstSeeds) is { } early) return early;
        if (Try(() => Interleavings.Walk().Wrong.FirstOrDefault()) is { } wrong) return $"caught by an interleaving: {wrong}";
        return Simulate(FirstSeeds, seeds);
    }

    private static string? Simulate(int from, int to)
    {
        string? found = null;
        // No more at a time than there are cores: a run that is never quiescent is long, and the pool would add threads for it.
        Parallel.For(from, to, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, (seed, loop) =>
        {
            if (loop.ShouldExitCurrentIteration || Try(() => Simulation.Run(seed).Violations.FirstOrDefault()) is not { } violation) return;
            Interlocked.CompareExchange(ref found, $"caught by seed {seed}: {violation}", null);
            loop.Stop();
        });
        return found;
    }

    /// <summary>An exception is a violation too.</summary>
    private static string? Try(Func<string?> run)
    {
        try
        {
            return run();
        }
        catch (Exception bug)
        {
            return bug.Message;
        }
    }
}
