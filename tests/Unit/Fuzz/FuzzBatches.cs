using System.Collections.Concurrent;

namespace Saga.Tests.Fuzz;

/// <summary>Runs batches of cases, each from its seed, on all processors.</summary>
internal static class FuzzBatches
{
    /// <param name="share">The part of all cases that the test runs, 0 to 1.</param>
    /// <param name="run">Runs one batch. Returns what it counted, and throws what is wrong.</param>
    /// <returns>The sum of each count.</returns>
    public static int[] Run(double share, Func<int, int[]> run)
    {
        var counts = new ConcurrentBag<int[]>();
        var broken = new ConcurrentBag<string>();
        var seeds = FuzzSettings.Seeds(share).TakeWhile(_ => broken.IsEmpty);
        // One by one: with a share for each core the last share would run alone.
        Parallel.ForEach(Partitioner.Create(seeds, EnumerablePartitionerOptions.NoBuffering), seed =>
        {
            try
            {
                counts.Add(run(seed));
            }
            catch (Exception problem)
            {
                broken.Add(FuzzSettings.Describe(seed, problem.ToString()));
            }
        });
        Assert.True(broken.IsEmpty, string.Join("\n", broken));
        return [.. counts.Aggregate((sums, more) => [.. sums.Zip(more, (sum, count) => sum + count)])];
    }
}
