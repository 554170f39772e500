using Microsoft.Extensions.Logging.Abstractions;

namespace Saga.Tests;

/// <summary>The open-order log outlives its writer, and a take-over loses nothing.</summary>
public sealed class OpenOrderLogTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly HashSet<string> over = [];
    private readonly List<string> visited = [];
    private readonly List<string> ended = [];
    private int instances;

    [Fact]
    public void Concurrent_additions_share_a_write()
    {
        var log = New();
        Do(async () =>
        {
            var added = Enumerable.Range(0, 100).Select(at => log.AddAsync($"o{at}", default)).ToArray();
            foreach (var one in added) await one;
        });
        Assert.InRange(store.All<OpenSegment>("app||open:i1:").Count(), 1, 3);
        Assert.Equal(100, Read(log).Count);
    }

    [Fact]
    public void Closed_orders_are_dropped_and_open_ones_stay()
    {
        var log = New();
        Add(log, "a", "b");
        over.Add("a");
        Sweep(log);
        Assert.Equal(["b"], Read(log));
        Assert.Equal(["a"], ended);
    }

    [Fact]
    public void The_log_of_a_dead_instance_is_taken_over_until_its_orders_are_closed()
    {
        Add(New(), "a", "b", "c", "d");
        over.UnionWith(["a", "b", "d"]);
        var heir = New();
        Sweep(heir);
        for (var turn = 0; turn < 3; turn++)
        {
            Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
            visited.Clear();
            Sweep(heir);
            Assert.Contains("c", visited);
        }
        over.Add("c");
        Sweep(heir);
        visited.Clear();
        Sweep(heir);
        Assert.Empty(visited);
    }

    [Fact]
    public void Two_concurrent_take_overs_lose_nothing()
    {
        Add(New(), "a", "b", "c");
        over.Add("a");
        OpenOrderLog[] heirs = [New(), New()];
        foreach (var heir in heirs) Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Do(async () =>
        {
            var sweeps = heirs.Select(heir => heir.SweepAsync(TimeSpan.Zero, new(VisitAsync, EndedAsync), default)).ToArray();
            foreach (var sweep in sweeps) await sweep;
        });
        visited.Clear();
        Sweep(heirs[0]);
        Assert.Equal(["b", "c"], visited.Distinct().Order());
    }

    [Fact]
    public void A_suspended_writer_finds_the_seal_and_starts_a_new_log()
    {
        var sleeper = New();
        Add(sleeper, "a");
        var heir = New();
        Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Sweep(heir);
        Add(sleeper, "b");
        Assert.Equal(["a", "b"], Read(heir).Order());
        visited.Clear();
        Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Sweep(heir);
        Assert.Equal(["a", "b"], visited.Distinct().Order());
    }

    /// <summary>By years, ahead or behind: what a machine shows before it has asked for the time.</summary>
    [Theory, InlineData(10), InlineData(-10), Trait("Hazard", "H21")]
    public void A_wrong_clock_of_a_dead_writer_does_not_delay_the_take_over(int years)
    {
        Add(New(Wrong(years)), "a");
        var heir = New();
        Sweep(heir);
        Assert.Empty(visited);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Sweep(heir);
        Assert.Equal(["a"], visited);
    }

    [Theory, InlineData(10), InlineData(-10), Trait("Hazard", "H21")]
    public void A_wrong_clock_of_a_live_writer_causes_no_take_over(int years)
    {
        var (writer, other) = (New(Wrong(years)), New());
        Add(writer, "a");
        for (var turn = 0; turn < 5; turn++)
        {
            Sweep(writer);
            visited.Clear();
            Sweep(other);
            Assert.Empty(visited);
            Pass(OpenOrderLog.HeartbeatTimeout / 2);
        }
        Add(writer, "b");
        Assert.Equal(["a", "b"], Read(writer));
    }

    [Fact, Trait("Hazard", "H21")]
    public void A_clock_set_back_does_not_delay_the_sweep()
    {
        var clock = Wrong(10);
        var log = New(clock);
        Add(log, "a");
        clock.Wrong = TimeSpan.Zero;
        Do(() => log.SweepAsync(TimeSpan.FromSeconds(5), new(VisitAsync, EndedAsync), default));
        Assert.Empty(visited);
        Pass(TimeSpan.FromSeconds(5));
        Do(() => log.SweepAsync(TimeSpan.FromSeconds(5), new(VisitAsync, EndedAsync), default));
        Assert.Equal(["a"], visited);
    }

    [Fact]
    public void A_sweep_is_bounded_and_the_next_continues_where_it_stopped()
    {
        var log = New();
        Add(log, [.. Enumerable.Range(0, 2_500).Select(at => $"o{at}")]);
        Sweep(log);
        Assert.InRange(visited.Count, 1, 1_000);
        for (var turn = 0; turn < 2; turn++) Sweep(log);
        Assert.Equal(2_500, visited.Distinct().Count());
    }

    private OpenOrderLog New() => New(world.Clock);

    private OpenOrderLog New(TimeProvider clock)
    {
        var sidecar = new SimulatedSidecar(world, store, "app", null, () => SidecarFaults.None, () => false, _ => { });
        return new(sidecar, clock, () => $"i{++instances}", NullLogger<OpenOrderLog>.Instance);
    }

    /// <summary>Each in a segment of its own.</summary>
    private void Add(OpenOrderLog log, params string[] orders)
    {
        foreach (var order in orders) Do(() => log.AddAsync(order, default));
    }

    private void Sweep(OpenOrderLog log) => Do(() => log.SweepAsync(TimeSpan.Zero, new(VisitAsync, EndedAsync), default));

    private List<string> Read(OpenOrderLog log) => [.. world.Run(() => log.ReadAllAsync(default)).Select(entry => entry.OrderId)];

    private Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        visited.AddRange(entries.Select(entry => entry.OrderId));
        return Task.FromResult<IReadOnlySet<string>>(entries.Select(entry => entry.OrderId).Where(id => !over.Contains(id)).ToHashSet());
    }

    private Task EndedAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        ended.AddRange(entries.Select(entry => entry.OrderId));
        return Task.CompletedTask;
    }

    private LocalClock Wrong(int years) => new(world.Clock) { Wrong = years * TimeSpan.FromDays(365) };

    private void Pass(TimeSpan time) => world.Clock.AdvanceTo(world.Clock.GetUtcNow() + time);

    private void Do(Func<Task> work) => world.Run(async () =>
    {
        await work();
        return true;
    });
}
