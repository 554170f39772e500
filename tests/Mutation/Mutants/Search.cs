using System.Collections.Concurrent;

namespace Saga.Tests;

/// <summary>Looks for a violation: walks the interleavings, then runs simulations.</summary>
public static class Search
{
    /// <param name="seeds">Simulations to run, at most.</param>
    /// <returns>The first violation, in a sentence. Null: there was none.</returns>
    public static string? Run(int seeds)
    {
        if (Try(() => Interleavings.Walk().Wrong.FirstOrDefault()) is { } wrong) return $"caught by an interleaving: {wrong}";
        var found = new ConcurrentDictionary<int, string>();
        Parallel.For(0, seeds, (seed, loop) =>
        {
            if (loop.ShouldExitCurrentIteration || Try(() => Simulation.Run(seed).Violations.FirstOrDefault()) is not { } violation) return;
            found[seed] = violation;
            loop.Break();
        });
        return found.IsEmpty ? null : $"caught by seed {found.Keys.Min()}: {found[found.Keys.Min()]}";
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
