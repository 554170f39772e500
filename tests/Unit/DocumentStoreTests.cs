using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Stock;

namespace Saga.Tests;

/// <summary>Concurrent updates of one document.</summary>
public sealed class DocumentStoreTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();

    private sealed record Counter(ImmutableSortedSet<int> Seen);

    [Fact]
    public void Concurrent_updates_are_combined_into_few_writes()
    {
        var documents = New();
        Concurrently(100, at => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal(Enumerable.Range(0, 100).ToImmutableSortedSet(), Kept.Seen);
        Assert.InRange(int.Parse(store.Read("app||c").ETag), 1, 5);
    }

    [Fact]
    public void Without_decorators_an_update_is_one_read_and_one_write()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar, combine: false, cache: false);
        for (var at = 0; at < 10; at++) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal((10, 10), (sidecar.Reads, sidecar.Writes));
    }

    [Theory, InlineData(false, false), InlineData(true, false), InlineData(false, true), InlineData(true, true)]
    public void Two_processes_that_update_one_document_lose_no_update(bool combine, bool cache)
    {
        DocumentStore[] processes = [.. Enumerable.Range(0, 3).Select(_ => New(combine: combine, cache: cache))];
        Concurrently(90, at => processes[at % 3].UpdateAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal(Enumerable.Range(0, 90).ToImmutableSortedSet(), Kept.Seen);
    }

    [Fact]
    public void An_exception_in_one_update_fails_no_other_of_its_batch()
    {
        var documents = New();
        var results = world.Run(async () =>
        {
            var bug = documents.UpdateAsync<Counter, bool>("c", _ => throw new InvalidOperationException("bug"), default);
            var good = documents.UpdateAsync<Counter, bool>("c", Adding(1), default);
            var changed = await good;
            return (Bug: (await Assert.ThrowsAsync<InvalidOperationException>(async () => await bug)).Message, Good: changed);
        });
        Assert.Equal(("bug", true), results);
        Assert.Equal([1], Kept.Seen);
    }

    [Fact]
    public void Each_update_gets_its_own_result()
    {
        var documents = New();
        var results = Concurrently(10, at => documents.UpdateAsync<Counter, int>("c", counter => new(new((counter?.Seen ?? []).Add(at)), at), default));
        Assert.Equal(Enumerable.Range(0, 10), results);
    }

    [Fact]
    public void A_document_is_pruned_after_all_updates_of_the_batch_have_decided()
    {
        var documents = New();
        var seen = Concurrently(3, at => documents.UpdateAsync<Counter, object, int>("c", null,
            (counter, _) => new(new((counter?.Seen ?? []).Add(at)), (counter?.Seen ?? []).Count), _ => new([]), default));
        Assert.Contains(seen, count => count > 0);
        Assert.Empty(Kept.Seen);
    }

    [Fact, Trait("Hazard", "H16")]
    public void Contention_lowers_the_cost_per_update()
    {
        var sidecar = Sidecar();
        var backoff = new ConflictBackoff(world.Clock, world.Chance);
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        var participant = new Participant<Product>(New(sidecar), sidecar, Product.KeyOf, openOrders, world.Clock);
        store.TryWrite($"app||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(60), []), "");
        var reservations = Concurrently(100, at => participant.ReserveAsync($"o{at}", [new("p", 1)], StockDecisions.Reject, default));
        Assert.Equal(60, reservations.Count(reservation => reservation.Status == ReservationStatus.Reserved));
        Assert.Equal(40, reservations.Count(reservation => reservation.Status == ReservationStatus.Rejected));
        var (value, version) = store.Read($"app||{Product.KeyOf("p")}");
        Assert.Equal(new Level(Held: 60), Level.From(((Product)value!).Holdings));
        Assert.InRange(int.Parse(version), 2, 60);
    }

    [Fact]
    public void A_cached_document_is_updated_without_a_read()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar);
        for (var at = 0; at < 10; at++) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal(Enumerable.Range(0, 10).ToImmutableSortedSet(), Kept.Seen);
        // The first read finds nothing, and the second that the store counts its versions.
        Assert.Equal((2, 10), (sidecar.Reads, sidecar.Writes));
    }

    /// <summary>As of PostgreSQL, and of state.postgresql v1.</summary>
    [Theory, InlineData(ETagForm.Uuid), InlineData(ETagForm.Write)]
    public void Where_the_store_does_not_count_versions_no_write_is_lost_by_a_prediction(ETagForm etags)
    {
        var other = new SimulatedStore(etags: etags);
        var sidecar = new Counting(Sidecar(other));
        sidecar.AnswerLooks.SetResult();
        var (documents, another) = (New(sidecar), New(Sidecar(other)));
        for (var at = 0; at < 10; at++)
        {
            // Between two writes of a document there are others.
            foreach (var key in (string[])["c", "d"]) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>(key, Adding(at), default));
            Concurrently(1, _ => documents.UpdateAsync<Counter, bool>($"new-{at}", Adding(at), default, expectMissing: true));
            Concurrently(1, _ => another.UpdateAsync<Counter, bool>("e", Adding(at), default));
            Concurrently(1, _ => documents.UpdateAsync<Counter, bool>($"new-{at}", Adding(at + 1), default));
            Concurrently(1, _ => documents.ReadAndCacheAsync<Counter>(["c", $"new-{at}"], default));
        }
        Assert.Equal(Enumerable.Range(0, 10).ToImmutableSortedSet(), ((Counter)other.Read("app||c").Value!).Seen);
        Assert.Equal(0, other.Mispredicted);
        // Two updates of two documents, and the second of a new one, are read before; a new one is not.
        Assert.Equal((30, 40), (sidecar.Reads, sidecar.Writes));
    }

    [Theory, InlineData(ETagForm.Uuid, 2, 2), InlineData(ETagForm.Write, 1, 2)]
    public void A_look_saves_a_read_where_the_ETag_is_a_number(ETagForm etags, int reads, int writes)
    {
        var other = new SimulatedStore(etags: etags);
        Concurrently(1, _ => New(Sidecar(other)).UpdateAsync<Counter, bool>("c", Adding(1), default));
        var sidecar = new Counting(Sidecar(other));
        sidecar.AnswerLooks.SetResult();
        var documents = New(sidecar);
        Concurrently(1, _ => documents.ReadAndCacheAsync<Counter>(["c"], default));
        for (var at = 2; at < 4; at++) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal([1, 2, 3], ((Counter)other.Read("app||c").Value!).Seen);
        Assert.Equal((reads, writes), (sidecar.Reads, sidecar.Writes));
    }

    [Fact]
    public void After_a_stale_entry_the_store_is_found_to_count_again()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar, suspendAfterMiss: 3);
        foreach (var at in (int[])[1, 2]) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Concurrently(1, _ => New().UpdateAsync<Counter, bool>("c", Adding(3), default));
        // Refused once, then three that read before.
        for (var at = 4; at < 8; at++) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal((6, 7), (sidecar.Reads, sidecar.Writes));
        Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(8), default));
        Assert.Equal((6, 8), (sidecar.Reads, sidecar.Writes));
        Assert.Equal(Enumerable.Range(1, 8).ToImmutableSortedSet(), Kept.Seen);
    }

    [Fact]
    public void A_prechecked_document_is_updated_without_a_read()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar);
        Concurrently(1, _ => New().UpdateAsync<Counter, bool>("c", Adding(1), default));
        sidecar.AnswerLooks.SetResult();
        Assert.Equal([1], Concurrently(1, _ => documents.ReadAndCacheAsync<Counter>(["none", "c"], default))[0][1]!.Seen);
        Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(2), default));
        Assert.Equal([1, 2], Kept.Seen);
        Assert.Equal((0, 1), (sidecar.Reads, sidecar.Writes));
    }

    [Fact]
    public void A_read_older_than_the_own_write_is_not_cached()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar);
        world.Run(async () =>
        {
            await documents.UpdateAsync<Counter, bool>("c", Adding(1), default);
            var look = documents.ReadAndCacheAsync<Counter>(["c"], default);
            await sidecar.Looked.Task;
            await documents.UpdateAsync<Counter, bool>("c", Adding(2), default);
            sidecar.AnswerLooks.SetResult();
            Assert.Equal([1], (await look)[0]!.Seen);
            return await documents.UpdateAsync<Counter, bool>("c", Adding(3), default);
        });
        Assert.Equal([1, 2, 3], Kept.Seen);
        Assert.Equal((2, 3), (sidecar.Reads, sidecar.Writes));
    }

    [Fact]
    public void A_read_newer_than_the_own_write_is_cached()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar);
        foreach (var at in (int[])[1, 2]) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));
        Concurrently(1, _ => New().UpdateAsync<Counter, bool>("c", Adding(3), default));
        sidecar.AnswerLooks.SetResult();
        Concurrently(1, _ => documents.ReadAndCacheAsync<Counter>(["c"], default));
        Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(4), default));
        Assert.Equal([1, 2, 3, 4], Kept.Seen);
        Assert.Equal((2, 3), (sidecar.Reads, sidecar.Writes));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void An_answer_without_a_write_is_never_based_on_the_cache(bool combine)
    {
        var (one, other) = (New(combine: combine), New(combine: combine));
        Concurrently(1, _ => one.UpdateAsync<Counter, bool>("c", Adding(1), default));
        Concurrently(1, _ => other.UpdateAsync<Counter, bool>("c", Adding(2), default));
        Assert.Equal([2], Concurrently(1, _ => one.UpdateAsync<Counter, int>("c", counter => new(null, counter!.Seen.Count), default)));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void An_exception_is_never_based_on_the_cache(bool combine)
    {
        var (one, other) = (New(combine: combine), New(combine: combine));
        Concurrently(1, _ => one.UpdateAsync<Counter, bool>("c", Adding(1), default));
        Concurrently(1, _ => other.UpdateAsync<Counter, bool>("c", Adding(2), default));
        Assert.Equal([2], Concurrently(1, _ => one.UpdateAsync<Counter, int>("c",
            counter => counter is { Seen.Count: 2 } ? new(null, 2) : throw new InvalidOperationException("unknown"), default)));
    }

    /// <summary>For example, when its memory is used up.</summary>
    [Theory, InlineData(false, false, false), InlineData(true, false, false), InlineData(false, true, true), InlineData(true, true, true)]
    public void A_write_that_Redis_refuses_is_a_fault_with_its_text_and_not_a_conflict(bool batching, bool combine, bool cache)
    {
        var faults = SidecarFaults.None;
        var dapr = new SimulatedDapr(world, store, "app", null, new(world, "app", () => faults, () => false), () => faults, _ => { });
        var documents = New(DaprSidecar.Create(dapr, new("app"), SimulatedDapr.Json, batching), combine, cache);
        foreach (var at in (int[])[1, 2]) Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(at), default));

        faults = faults with { Refuses = 1 };
        var before = world.Operations;
        var fault = Assert.ThrowsAny<global::Dapr.DaprException>(
            () => Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(3), default)));
        Assert.True(Faults.IsTransient(fault));
        Assert.Equal(SimulatedDapr.OutOfMemory, Faults.GetCause(fault));
        Assert.InRange(world.Operations - before, 1, 10);
        Assert.ThrowsAny<global::Dapr.DaprException>(() => Concurrently(2, at => documents.UpdateAsync<Counter, bool>($"d{at}", Adding(3), default)));

        faults = SidecarFaults.None;
        Concurrently(1, _ => documents.UpdateAsync<Counter, bool>("c", Adding(4), default));
        Assert.Equal([1, 2, 4], Kept.Seen);
    }

    [Fact]
    public void A_late_arrival_that_writes_nothing_is_answered_from_a_read_of_its_own()
    {
        var sidecar = new Counting(Sidecar());
        var documents = New(sidecar, cache: false);
        Task<int>? late = null;
        sidecar.AfterRead = () => late ??= documents.UpdateAsync<Counter, int>("c", counter => new(null, counter?.Seen.Count ?? 0), default);
        Concurrently(1, async _ => await documents.UpdateAsync<Counter, bool>("c", _ => new(null, true), default) && await late! == 0);
        Assert.Equal((2, 0), (sidecar.Reads, sidecar.Writes));
    }

    [Fact]
    public void A_stale_entry_suspends_the_cache()
    {
        var sidecar = new Counting(Sidecar());
        var (one, other) = (New(sidecar, suspendAfterMiss: 100), New());
        foreach (var at in (int[])[0, 1]) Concurrently(1, _ => one.UpdateAsync<Counter, bool>("c", Adding(at), default));
        for (var at = 2; at < 20; at += 2)
        {
            Concurrently(1, _ => other.UpdateAsync<Counter, bool>("c", Adding(at), default));
            Concurrently(1, _ => one.UpdateAsync<Counter, bool>("c", Adding(at + 1), default));
        }
        Assert.Equal(Enumerable.Range(0, 20).ToImmutableSortedSet(), Kept.Seen);
        Assert.Equal((11, 12), (sidecar.Reads, sidecar.Writes));
    }

    private sealed class Counting(ISidecar behind) : ISidecar
    {
        public int Reads { get; private set; }

        public int Writes { get; private set; }

        public Action? AfterRead { get; set; }

        public async Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
        {
            Reads++;
            var read = await behind.ReadAsync<T>(key, ct);
            AfterRead?.Invoke();
            return read;
        }

        public TaskCompletionSource Looked { get; } = new();

        public TaskCompletionSource AnswerLooks { get; } = new();

        public async Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class
        {
            var read = await behind.ReadManyAsync<T>(keys, ct);
            Looked.TrySetResult();
            await AnswerLooks.Task;
            return read;
        }

        public Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class
        {
            Writes++;
            return behind.TrySaveAsync(read, value, timeToLive, ct);
        }

        public Task DeleteAsync(string key, CancellationToken ct) => behind.DeleteAsync(key, ct);

        public Task PublishAsync(OutgoingEvent e, CancellationToken ct) => behind.PublishAsync(e, ct);
    }

    /// <summary>The ETag that the instance predicts for its lost write is then that of another's.</summary>
    [Fact, Trait("Hazard", "H32")]
    public void A_write_that_a_failover_has_lost_undoes_no_write_of_another_instance()
    {
        var (one, other) = (New(), New());
        foreach (var number in (int[])[1, 2, 3]) world.Run(() => one.UpdateAsync("c", Adding(number), default));
        var failOver = store.Replicate("app||c");
        world.Run(() => one.UpdateAsync("c", Adding(4), default));
        failOver();
        world.Run(() => other.UpdateAsync("c", Adding(5), default));
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + VersionCache.MaxAge);
        world.Run(() => one.UpdateAsync("c", Adding(6), default));
        Assert.Equal([1, 2, 3, 5, 6], Kept.Seen);
    }

    /// <summary>Starts all of them before it waits for the first.</summary>
    private T[] Concurrently<T>(int count, Func<int, Task<T>> start) => world.Run(async () =>
    {
        var started = Enumerable.Range(0, count).Select(start).ToArray();
        var results = new T[count];
        for (var at = 0; at < count; at++) results[at] = await started[at];
        return results;
    });

    private Counter Kept => (Counter)store.Read("app||c").Value!;

    private static Func<Counter?, Update<Counter, bool>> Adding(int number) => counter => new(new((counter?.Seen ?? []).Add(number)), true);

    private DocumentStore New(ISidecar? sidecar = null, bool combine = true, bool cache = true, int suspendAfterMiss = 1_000) =>
        DocumentStore.Create(sidecar ?? Sidecar(), new ConflictBackoff(world.Clock, world.Chance), combine, cache, suspendAfterMiss);

    private SimulatedSidecar Sidecar(SimulatedStore? other = null) =>
        new(world, other ?? store, "app", null, () => SidecarFaults.None, () => false, _ => { });
}
