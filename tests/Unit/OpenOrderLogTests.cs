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
    private readonly List<string> left = [];
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
    public void A_log_that_its_writer_has_left_is_taken_over_by_the_next_sweep()
    {
        var leaver = New();
        Add(leaver, "a", "b");
        Do(() => leaver.LeaveAsync(default));
        var heir = New();
        over.Add("a");
        Sweep(heir);
        Assert.Equal(["a", "b"], visited);
        Assert.Equal(["b"], Read(heir));
        over.Add("b");
        Sweep(heir);
        Assert.Empty(store.Find<OpenHead>("app||open:"));
    }

    [Fact]
    public void A_log_is_left_whose_last_heartbeat_was_cancelled_and_took_effect()
    {
        var isLost = false;
        var leaver = New(world.Clock, new Unanswered(Sidecar(), () => isLost));
        Add(leaver, "a");
        isLost = true;
        Assert.Throws<SidecarDownException>(() => Sweep(leaver));
        isLost = false;
        Do(() => leaver.LeaveAsync(default));
        Sweep(New());
        Assert.Equal(["a"], visited);
    }

    [Fact]
    public void What_is_added_after_the_writer_has_left_is_in_another_log()
    {
        var leaver = New();
        Add(leaver, "a");
        Do(() => leaver.LeaveAsync(default));
        Sweep(New());
        Add(leaver, "b");
        Assert.Equal(["a", "b"], Read(New()).Order());
        Pass(OpenOrderLog.HeartbeatTimeout / 2);
        visited.Clear();
        Sweep(New());
        Assert.Equal(["a"], visited);
    }

    [Fact]
    public void A_log_that_was_taken_over_meanwhile_is_not_left_again()
    {
        var sleeper = New();
        Add(sleeper, "a");
        TakeOver(New());
        Do(() => sleeper.LeaveAsync(default));
        Assert.Equal(["a"], Read(New()));
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
    public void A_gap_of_a_take_over_is_not_the_end_for_a_list_that_has_read_the_head_before()
    {
        Add(New(), "a", "b", "c");
        var operations = 0;
        var reader = New(world.Clock, new Contended(Sidecar(), () =>
        {
            // The list of instances and the heads are read; then another instance publishes the end and drops the second segment.
            if (++operations != 2) return;
            Break<OpenHead>("app||open:i1", head => head with { Next = 3 });
            store.Delete("app||open:i1:1");
        }));
        Assert.Equal(["a", "c"], Read(reader));
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

    [Fact]
    public void A_suspended_writer_does_not_append_to_a_log_that_is_finished_in_place_of_a_write_that_was_reported_as_failed()
    {
        var isLost = false;
        var sleeper = New(world.Clock, new Unanswered(Sidecar(), () => isLost));
        Add(sleeper, "a");
        isLost = true;
        Assert.Throws<SidecarDownException>(() => Add(sleeper, "b"));
        isLost = false;
        over.UnionWith(["a", "b"]);
        var heir = New();
        TakeOver(heir);
        Assert.Equal(["a", "b"], ended.Distinct().Order());
        Assert.DoesNotContain("app||open:i1", store.Versions.Keys);

        Add(sleeper, "c");
        Assert.Equal(["c"], Read(heir));
        visited.Clear();
        TakeOver(heir);
        Assert.Contains("c", visited);
    }

    [Fact]
    public void Orders_of_a_lost_lease_leave_the_instance_that_lost_it()
    {
        var sleeper = New();
        Add(sleeper, "a", "b");
        var heir = New();
        TakeOver(heir);
        Assert.Empty(left);
        Add(sleeper, "c");
        Sweep(sleeper);
        Assert.Equal(["a", "b"], left);
        Sweep(sleeper);
        Assert.Equal(2, left.Count);
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

    [Fact]
    public void A_writer_whose_sweep_lasts_long_is_not_taken_over()
    {
        var (writer, other) = (New(), New());
        Do(async () =>
        {
            var added = Enumerable.Range(0, 2_000).Select(at => writer.AddAsync($"o{at}", default)).ToArray();
            foreach (var one in added) await one;
        });
        Sweep(writer);
        Sweep(other);
        visited.Clear();
        HashSet<string> asked = [];
        Do(() => writer.SweepAsync(TimeSpan.Zero, new(async (entries, ct) =>
        {
            asked.UnionWith(entries.Select(entry => entry.OrderId));
            Pass(TimeSpan.FromSeconds(6));
            await other.SweepAsync(TimeSpan.Zero, new(VisitAsync, EndedAsync), ct);
            return entries.Select(entry => entry.OrderId).ToHashSet();
        }, EndedAsync), default));
        Assert.Equal(2_000, asked.Count);
        Assert.Empty(visited);
        Add(writer, "next");
        Assert.Equal(2_001, Read(other).Count);
    }

    [Fact]
    public void A_long_take_over_goes_on_in_the_next_sweep_and_is_finished()
    {
        var dead = New();
        Do(async () =>
        {
            var added = Enumerable.Range(0, 12_000).Select(at => dead.AddAsync($"o{at}", default)).ToArray();
            foreach (var one in added) await one;
        });
        over.UnionWith(Enumerable.Range(0, 12_000).Where(at => at != 7).Select(at => $"o{at}"));
        var heir = New();
        Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        for (var turn = 0; turn < 6; turn++)
        {
            visited.Clear();
            Sweep(heir);
            Assert.InRange(visited.Count, 1, 6_000);
        }
        // All but those of one segment.
        Assert.Equal(11_500, ended.Distinct().Count());
        over.Add("o7");
        for (var turn = 0; turn < 3; turn++) Sweep(heir);
        Assert.Equal(12_000, ended.Distinct().Count());
        Assert.DoesNotContain(store.Find<OpenSegment>("app||open:i1:"), segment => !segment.Sealed);
        Assert.Null(store.Read("app||open:i1").Value);
        Assert.Empty(Read(heir));
    }

    [Fact]
    public void A_long_take_over_does_not_make_another_log_look_dead()
    {
        Add(New(), "a");
        var (alive, heir) = (New(), New());
        Add(alive, "b");
        Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Sweep(alive);
        Do(() => heir.SweepAsync(TimeSpan.Zero, new((entries, ct) =>
        {
            Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
            return VisitAsync(entries, ct);
        }, EndedAsync), default));
        Assert.Contains("a", visited);
        Add(alive, "c");
        Assert.Equal("c", Assert.Single(((OpenSegment)store.Read("app||open:i2:1").Value!).Orders));
    }

    [Fact]
    public void Orders_that_another_instance_has_finished_leave_all_that_took_them_over()
    {
        Add(New(), "a", "b");
        OpenOrderLog[] heirs = [New(), New()];
        foreach (var heir in heirs) Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        foreach (var heir in heirs) Sweep(heir);
        Assert.Equal(["a", "b"], visited.Distinct().Order());
        over.Add("a");
        Sweep(heirs[0]);
        left.Clear();
        for (var times = 0; times < 2; times++) Sweep(heirs[1]);
        Assert.Equal(["a"], left);
        over.Add("b");
        Sweep(heirs[0]);
        left.Clear();
        for (var times = 0; times < 2; times++) Sweep(heirs[1]);
        Assert.Equal(["b"], left);
    }

    [Fact]
    public void A_corrupt_head_stops_no_other_log()
    {
        Add(New(), "a");
        Add(New(), "b");
        var heir = New();
        Add(heir, "c");
        var repair = Break<OpenHead>("app||open:i1", head => head with { First = 1, Next = 0 });
        TakeOver(heir);
        Assert.Equal(["b", "c"], visited.Distinct().Order());
        Assert.Equal(["b", "c"], Read(heir).Order());
        Assert.Equal("open:i1", Assert.Single(Letters).EventId);
        Assert.StartsWith("open:i1 is corrupt: its log goes from 1 to 0.", Letters[0].Problem);

        repair();
        TakeOver(heir);
        Assert.Equal(["a", "b", "c"], visited.Distinct().Order());
    }

    [Fact]
    public void A_head_that_spans_more_than_a_log_can_is_refused_at_once()
    {
        Add(New(), "a");
        Break<OpenHead>("app||open:i1", head => head with { Next = 1_000_000_000_000_000_000 });
        var heir = New();
        Add(heir, "b");
        TakeOver(heir);
        Assert.Equal(["b"], visited.Distinct());
        Assert.Single(Letters);
    }

    [Fact]
    public void A_corrupt_segment_hides_no_other_and_its_orders_are_visited_once_it_is_repaired()
    {
        Add(New(), "a", "b", "c");
        over.UnionWith(["a", "c"]);
        var repair = Break<OpenSegment>("app||open:i1:1", segment => segment with { Details = [] });
        var heir = New();
        TakeOver(heir);
        Assert.Equal(["a", "c"], visited.Distinct().Order());
        Assert.Equal("open:i1:1", Assert.Single(Letters).EventId);
        // The log is not given up while an order in it may be open.
        Assert.NotNull(store.Read("app||open:i1").Value);
        Assert.Empty(Read(heir));

        repair();
        Sweep(heir);
        Assert.Contains("b", visited);
        Assert.Equal(["b"], Read(heir));
        over.Add("b");
        Sweep(heir);
        Assert.Null(store.Read("app||open:i1").Value);
        Assert.Equal(["a", "b", "c"], ended.Distinct().Order());
    }

    [Fact]
    public void A_corrupt_segment_at_the_end_of_a_log_does_not_look_like_its_end()
    {
        Add(New(), "a", "b");
        // Since the last heartbeat: the head does not say that they are there.
        var repair = Break<OpenSegment>("app||open:i1:0", segment => segment with { Details = [] });
        var heir = New();
        TakeOver(heir);
        Assert.Equal(["b"], visited.Distinct());
        repair();
        Sweep(heir);
        Assert.Contains("a", visited);
    }

    [Fact]
    public void The_writer_of_a_log_with_a_corrupt_head_tracks_its_orders_in_a_new_one()
    {
        var log = New();
        Add(log, "a", "b");
        Sweep(log);
        visited.Clear();
        var repair = Break<OpenHead>("app||open:i1", head => head with { First = -1 });
        Sweep(log);
        Sweep(log);
        Assert.Equal(["a", "b"], visited.Distinct().Order());
        Add(log, "c");
        Assert.Equal(["a", "b", "c"], Read(log).Order());

        // It crashes: what it tracked is found in the new log, and after a repair in the old one too.
        var heir = New();
        visited.Clear();
        TakeOver(heir);
        Assert.Equal(["a", "b", "c"], visited.Distinct().Order());
        over.UnionWith(["a", "b", "c"]);
        repair();
        TakeOver(heir);
        Assert.Empty(store.Find<OpenHead>("app||open:"));
        Assert.Empty(Read(heir));
    }

    [Fact]
    public void Orders_are_added_past_a_corrupt_end_of_the_own_log()
    {
        var log = New();
        Add(log, "a");
        store.TryWrite("app||open:i1:1", new OpenSegment(["x"], default, false, []), "");
        Add(log, "b");
        TakeOver(log);
        Assert.Equal(["a", "b"], visited.Distinct().Order());
    }

    [Fact]
    public void A_corrupt_list_of_instances_stops_no_own_order()
    {
        var log = New();
        Add(log, "a");
        store.Delete("app||open:instances");
        store.TryWrite("app||open:instances", new OpenInstances(["", "evil||1"]), "");
        Sweep(log);
        Sweep(log);
        Assert.Contains("a", visited);
        Assert.Equal(["a"], Read(log));
        Assert.Equal("open:instances", Assert.Single(Letters).EventId);
    }

    [Fact]
    public void An_instance_that_starts_while_the_list_of_instances_is_corrupt_is_found_by_the_others_and_taken_over()
    {
        Add(New(), "a");
        var repair = Corrupt("app||open:instances");
        Add(New(), "b");
        Assert.Equal("open:instances", Assert.Single(Letters).EventId);
        var heir = New();
        Add(heir, "c");
        TakeOver(heir);
        Assert.Equal(["b", "c"], visited.Distinct().Order());
        Assert.Equal(["b", "c"], Read(heir).Order());

        repair();
        TakeOver(heir);
        Assert.Equal(["a", "b", "c"], visited.Distinct().Order());
        over.UnionWith(["a", "b"]);
        Sweep(heir);
        Sweep(heir);
        Assert.Equal(["app||open:i3"], store.Versions.Keys.Where(key => key.StartsWith("app||open:i", StringComparison.Ordinal) && store.Read(key).Value is OpenHead));
        Assert.Equal([[], ["i3"]], store.All<OpenInstances>("app||open:instances").Select(list => list.Ids.ToArray()));
    }

    [Fact]
    public void With_both_lists_of_instances_corrupt_no_log_is_started_and_nothing_is_left_of_the_attempts()
    {
        foreach (var key in OpenInstances.Keys) store.TryWrite($"app||{key}", new OpenHead(default, 0, 0), "");
        var log = New();
        for (var turn = 0; turn < 3; turn++) Assert.Throws<CorruptDocumentException>(() => Add(log, "a"));
        Assert.DoesNotContain(store.Versions.Keys, key => key.StartsWith("app||open:i1", StringComparison.Ordinal));
        Assert.Equal(2, store.All<OpenHead>("app||open:").Count());
    }

    [Fact]
    public void Starts_that_fail_at_the_head_leave_one_name()
    {
        var operations = 0;
        var log = New(world.Clock, new Unanswered(Sidecar(), () => ++operations is 3 or 6 or 9));
        for (var start = 0; start < 3; start++) Assert.Throws<SidecarDownException>(() => Add(log, "a"));
        Assert.Equal(9, operations);
        Add(log, "a");
        Assert.Equal(["i1"], Listed);
        TakeOver(New());
        Assert.Equal("a", visited[0]);
    }

    [Fact]
    public void A_start_that_failed_and_was_taken_over_meanwhile_is_found_all_the_same()
    {
        var operations = 0;
        var log = New(world.Clock, new Unanswered(Sidecar(), () => ++operations is 3));
        Assert.Throws<SidecarDownException>(() => Add(log, "a"));
        TakeOver(New());
        Assert.Empty(Listed);
        Add(log, "a");
        Assert.Equal(["a"], Read(New()));
        TakeOver(New());
        Assert.Equal("a", visited[0]);
    }

    [Fact]
    public void A_list_of_instances_that_cannot_be_written_fails_the_start_of_a_log_with_the_text_of_Redis()
    {
        Add(New(), "a");
        var faults = SidecarFaults.None;
        var dapr = new SimulatedDapr(world, store, "app", null, new(world, "app", () => faults, () => false), () => faults, _ => { });
        var log = New(world.Clock, DaprSidecar.Create(dapr, new("app"), SimulatedDapr.Json, batching: true));
        faults = faults with { Refuses = 1 };
        var fault = Assert.ThrowsAny<global::Dapr.DaprException>(() => Add(log, "b"));
        Assert.Equal(SimulatedDapr.OutOfMemory, Faults.GetCause(fault));
        faults = SidecarFaults.None;
        Add(log, "b");
        Assert.Equal(["a", "b"], Read(log).Order());
    }

    [Fact]
    public void A_list_of_instances_that_others_write_all_the_time_fails_the_start_of_a_log_in_the_end()
    {
        var sidecar = new Contended(Sidecar(), () => Break<OpenInstances>("app||open:instances", list => list));
        Add(New(), "a");
        Assert.Throws<ContentionException>(() => Add(New(world.Clock, sidecar), "b"));
    }

    [Fact]
    public void A_corrupt_document_is_reported_again_as_long_as_it_is_corrupt()
    {
        Add(New(), "a");
        Break<OpenHead>("app||open:i1", head => head with { First = -1 });
        var log = New();
        Sweep(log);
        var first = Assert.Single(Letters);
        Sweep(log);
        Assert.Equal(first.DeadLetteredAt, Assert.Single(Letters).DeadLetteredAt);
        Pass(TimeSpan.FromHours(1));
        Sweep(log);
        Assert.True(Assert.Single(Letters).DeadLetteredAt > first.DeadLetteredAt);
    }

    [Fact]
    public void What_can_never_be_visited_in_the_own_log_does_not_stop_a_take_over()
    {
        Add(New(), "a");
        var log = New();
        Add(log, "b");
        Sweep(log);
        visited.Clear();
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        var callbacks = new SweepCallbacks(
            (entries, ct) => entries.Any(entry => entry.OrderId == "b") ? throw new InvalidOperationException("a bug") : VisitAsync(entries, ct), EndedAsync);
        var fault = Assert.Throws<AggregateException>(() => Do(() => log.SweepAsync(TimeSpan.Zero, callbacks, default)));
        Assert.Equal("a bug", Assert.Single(fault.InnerExceptions).Message);
        Assert.Equal(["a"], visited.Distinct());
    }

    private IEnumerable<string> Listed => store.Find<OpenInstances>("app||open:").SelectMany(list => list.Ids);

    private DeadLetter[] Letters => [.. store.All<DeadLetter>("app||dead-letter:")];

    /// <returns>Restores it.</returns>
    private Action Break<T>(string key, Func<T, T> change) where T : class => Replace(key, whole => change((T)whole));

    /// <returns>Restores it.</returns>
    private Action Corrupt(string key) => Replace(key, _ => "{}");

    private Action Replace(string key, Func<object, object> change)
    {
        var (whole, etag) = store.Read(key);
        store.TryWrite(key, change(whole!), etag);
        return () => store.TryWrite(key, whole!, store.Read(key).ETag);
    }

    /// <summary>Sweeps until the logs of dead instances are taken over.</summary>
    private void TakeOver(OpenOrderLog heir)
    {
        Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Sweep(heir);
        Sweep(heir);
    }

    private OpenOrderLog New() => New(world.Clock);

    private SimulatedSidecar Sidecar() => new(world, store, "app", null, () => SidecarFaults.None, () => false, _ => { });

    private OpenOrderLog New(TimeProvider clock, ISidecar? sidecar = null)
    {
        sidecar ??= Sidecar();
        var documents = DocumentStore.Create(sidecar, new(world.Clock, world.Chance));
        return new(
            sidecar, clock, () => $"i{++instances}", NullLogger<OpenOrderLog>.Instance,
            new DeadLetters(documents, sidecar, new(documents, sidecar), new("app"), world.Clock));
    }

    /// <summary>Each in a segment of its own.</summary>
    private void Add(OpenOrderLog log, params string[] orders)
    {
        foreach (var order in orders) Do(() => log.AddAsync(order, default));
    }

    private void Sweep(OpenOrderLog log) => Do(() => log.SweepAsync(TimeSpan.Zero, new(VisitAsync, EndedAsync, left.Add), default));

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

    /// <summary>What is lost has taken effect, and is reported as failed.</summary>
    private sealed class Unanswered(ISidecar behind, Func<bool> isLost) : SidecarDecorator(behind)
    {
        protected override async Task<T> InterceptAsync<T>(Func<Task<T>> operation)
        {
            var result = await operation();
            return isLost() ? throw new SidecarDownException() : result;
        }
    }

    /// <summary>Another process writes after each operation.</summary>
    private sealed class Contended(ISidecar behind, Action write) : SidecarDecorator(behind)
    {
        protected override async Task<T> InterceptAsync<T>(Func<Task<T>> operation)
        {
            var result = await operation();
            write();
            return result;
        }
    }

    private void Pass(TimeSpan time) => world.Clock.AdvanceTo(world.Clock.GetUtcNow() + time);

    private void Do(Func<Task> work) => world.Run(async () =>
    {
        await work();
        return true;
    });
}
