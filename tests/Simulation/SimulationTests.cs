using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace Saga.Tests;

/// <summary>
/// SIMULATION_SEED=n replays one run with its trace. Otherwise half of SIMULATION_SEEDS (20,000) are always the same, and half start at
/// SIMULATION_FRESH, which test.sh derives from the commit. SIMULATION_SECONDS=n runs fresh ones for n seconds.
/// </summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_order_closes_and_nothing_is_lost_or_doubled()
    {
        if (GetSetting("SIMULATION_SEED") is { } only)
        {
            var replayed = Simulation.Run(only, traced: true);
            output.WriteLine(replayed.World.Trace);
            Assert.Empty(replayed.Violations);
            return;
        }

        var count = GetSetting("SIMULATION_SEEDS") ?? 20_000;
        var fresh = GetSetting("SIMULATION_FRESH") ?? count;
        var most = GetSetting("SIMULATION_SECONDS") is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
        var watch = Stopwatch.StartNew();
        var totals = new ConcurrentBag<(long Operations, long Deliveries, long Crashes, long Stops, long ClockJumps, long Corrupted, long Dead, long Confirmed, long Failed, long Paid, long Refused)>();
        var broken = new ConcurrentBag<string>();
        var seeds = Seeds(count, fresh, most < TimeSpan.MaxValue).TakeWhile(_ => watch.Elapsed < most && broken.IsEmpty);
        // One by one: with a share for each core the last share would run alone.
        Parallel.ForEach(Partitioner.Create(seeds, EnumerablePartitionerOptions.NoBuffering), seed =>
        {
            try
            {
                var run = Simulation.Run(seed);
                if (run.Violations.Count > 0) broken.Add(Describe(seed, string.Join(" ", run.Violations)));
                totals.Add((run.World.Operations, run.Shop.Deliveries, run.Shop.Crashes, run.Shop.Stops, run.Shop.ClockJumps, run.Shop.Corrupted, run.Shop.DeadLetters,
                    run.Shop.Orders.Count(order => order.Status == Orders.OrderStatus.Confirmed),
                    run.Shop.Orders.Count(order => order.Status == Orders.OrderStatus.Failed),
                    run.Shop.Orders.Count(order => order is { Pattern: SagaPattern.Orchestration, Status: Orders.OrderStatus.Confirmed }),
                    run.Shop.Orders.Count(order => order is { Pattern: SagaPattern.Orchestration, Status: Orders.OrderStatus.Failed })));
            }
            catch (Exception bug)
            {
                broken.Add(Describe(seed, bug.ToString()));
            }
        });
        Assert.True(broken.IsEmpty, string.Join("\n", broken));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{totals.Count:N0} seeds (fresh from {fresh}) in {watch.Elapsed.TotalSeconds:0} s: {totals.Sum(run => run.Operations):N0} operations, "
            + $"{totals.Sum(run => run.Deliveries):N0} deliveries, {totals.Sum(run => run.Crashes):N0} crashes, {totals.Sum(run => run.Stops):N0} stops, "
            + $"{totals.Sum(run => run.ClockJumps):N0} clock jumps, {totals.Sum(run => run.Corrupted):N0} corruptions, {totals.Sum(run => run.Dead):N0} dead letters; "
            + $"{totals.Sum(run => run.Confirmed):N0} orders confirmed, {totals.Sum(run => run.Failed):N0} failed, "
            + $"of them {totals.Sum(run => run.Paid):N0} and {totals.Sum(run => run.Refused):N0} orchestrated; lost 0, doubled 0, stuck 0."));
        Assert.True(
            totals.Sum(run => run.Paid) > totals.Count / 10 && totals.Sum(run => run.Refused) > totals.Count / 4
                && totals.Sum(run => run.Confirmed) > totals.Count / 2 && totals.Sum(run => run.Failed) > totals.Count / 2
                && totals.Sum(run => run.Crashes) > totals.Count / 10 && totals.Sum(run => run.Stops) > totals.Count / 10 && totals.Sum(run => run.ClockJumps) > totals.Count / 10
                && totals.Sum(run => run.Corrupted) > totals.Count / 10,
            "The runs have too few faults to show anything.");
    }

    [Fact]
    public void The_same_seed_gives_the_same_run()
    {
        for (var seed = 1; seed <= 5; seed++) Assert.Equal(Simulation.Run(seed, traced: true).World.Trace, Simulation.Run(seed, traced: true).World.Trace);
        Assert.NotEqual(Simulation.Run(1, traced: true).World.Trace, Simulation.Run(2, traced: true).World.Trace);
    }

    private static IEnumerable<int> Seeds(int count, int fresh, bool endless)
    {
        for (var seed = 0; seed < count / 2; seed++) yield return seed;
        for (var at = 0; endless || at < count - count / 2; at++) yield return unchecked(fresh + at) & int.MaxValue;
    }

    private static string Describe(int seed, string what) => $"Seed {seed}: {what}\nReplay it with its trace: SIMULATION_SEED={seed} ./test.sh simulation";

    private static int? GetSetting(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var asked) ? asked : null;
}
