using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace Saga.Tests;

public sealed class SimulationTests(ITestOutputHelper output)
{
    /// <summary>SIMULATION_SEED=n replays one run, SIMULATION_SEEDS=n asks for so many.</summary>
    private static int Asked(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var asked) ? asked : otherwise;

    [Fact]
    public void Whatever_happens_every_order_comes_to_rest_and_nothing_is_lost_or_doubled()
    {
        var only = Asked("SIMULATION_SEED", -1);
        var (first, count) = only >= 0 ? (only, 1) : (0, Asked("SIMULATION_SEEDS", 2_000));
        var watch = Stopwatch.StartNew();
        long operations = 0, crashes = 0, deliveries = 0, dead = 0, confirmed = 0, failed = 0;
        for (var seed = first; seed < first + count; seed++)
        {
            Simulation run;
            try
            {
                run = Simulation.Run(seed);
            }
            catch (Exception bug)
            {
                throw new InvalidOperationException($"Seed {seed} met a bug. Replay: SIMULATION_SEED={seed} ./test.sh simulation", bug);
            }
            if (only >= 0) output.WriteLine(run.World.Trace);
            Assert.True(run.Violations.Count == 0,
                $"Seed {seed}: {string.Join(" ", run.Violations)}\nReplay with its trace: SIMULATION_SEED={seed} ./test.sh simulation");
            operations += run.World.Operations;
            crashes += run.Shop.Crashes;
            deliveries += run.Shop.Deliveries;
            dead += run.Shop.DeadLetters;
            confirmed += run.Shop.Orders.Count(order => order.Status == Orders.OrderStatus.Confirmed);
            failed += run.Shop.Orders.Count(order => order.Status == Orders.OrderStatus.Failed);
        }
        output.WriteLine($"{count} seeds in {watch.Elapsed.TotalSeconds:0.0} s: {operations} operations, {deliveries} deliveries, {crashes} crashes, "
            + $"{dead} dead letters; {confirmed} orders confirmed, {failed} failed.");
        if (only < 0) Assert.True(confirmed > count / 2 && failed > count / 2 && crashes > count / 10, "The runs are too tame to show anything.");
    }
}
