using System.Collections.Immutable;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.State;
using Saga.Telemetry;

namespace Saga.OpenOrders;

/// <summary>The instances that have a log. One document for all of them.</summary>
internal sealed record OpenInstances(ImmutableSortedSet<string> Ids)
{
    public const string Key = "open:instances";
}

/// <summary>The head of one instance's log. Its segments start at <paramref name="First"/>; all before Next are written.</summary>
/// <param name="Heartbeat">By the writer's clock, which may be wrong: only a change shows that the instance is alive.</param>
internal sealed record OpenHead(DateTimeOffset Heartbeat, long First, long Next) : IHasInvariants
{
    public string? FindProblem(string key) => First < 0 || Next < 0 ? $"its log goes from {First} to {Next}" : null;

    public static string KeyOf(string instance) => $"open:{instance}";
}

/// <summary>An immutable batch of orders that were open when it was written.</summary>
/// <param name="Sealed">The end of the log: another instance has taken it over, and its writer can append nothing.</param>
/// <param name="Details">Of each order what it takes to close it. Null: the id is enough.</param>
internal sealed record OpenSegment(ImmutableArray<string> Orders, DateTimeOffset Written, bool Sealed, ImmutableArray<JsonElement>? Details = null)
    : IHasInvariants
{
    public string? FindProblem(string key) =>
        Orders.IsDefault || Orders.Any(string.IsNullOrEmpty) ? "an order lacks its id"
        : Details is { } details && details.Length != Orders.Length ? "an order lacks its details"
        : null;

    public static string KeyOf(string instance, long sequence) => $"open:{instance}:{sequence}";
}

/// <summary>What a sweep does with the entries of a log.</summary>
/// <param name="FindOpenAsync">Visits entries and returns the ids of those that are still open.</param>
/// <param name="OnClosedAsync">Receives closed entries before the log drops them, some of them more than once.</param>
internal sealed record SweepCallbacks(
    Func<IReadOnlyList<OpenEntry>, CancellationToken, Task<IReadOnlySet<string>>> FindOpenAsync,
    Func<IReadOnlyList<OpenEntry>, CancellationToken, Task> OnClosedAsync);

/// <summary>An order in the log of some instance.</summary>
/// <param name="Since">When it was added.</param>
/// <param name="Detail">As it was added. Null: none was.</param>
internal sealed record OpenEntry(string OrderId, DateTimeOffset Since, JsonElement? Detail = null);

/// <summary>
/// Log of the orders that are not closed, so that every order is found again after any crash. An order's id is logged before its document exists,
/// and it stays until a sweep has seen that the order is closed.
/// </summary>
/// <remarks>
/// Concurrent additions are batched into one write, a segment. A log has one writer. When its heartbeat times out, another instance seals the log
/// (a fence: it writes the end where the next segment would be) and takes over its entries. A writer that was only suspended finds the seal and
/// starts a new log. Clocks may be wrong and jump: durations are measured by this process, never by comparing the times of two clocks.
/// </remarks>
internal sealed class OpenOrderLog
{
    /// <summary>Orders per segment, at most.</summary>
    private const int SegmentMax = 500;

    /// <summary>Segments and orders that one sweep visits, at most: it must end long before <see cref="HeartbeatTimeout"/>.</summary>
    private const int VisitedMax = 1_000, VisitedOrdersMax = 5_000;

    /// <summary>An instance whose heartbeat another instance has not seen change for this long is taken for dead.</summary>
    public static readonly TimeSpan HeartbeatTimeout = TimeSpan.FromSeconds(20);

    private readonly ISidecar sidecar;
    private readonly TimeProvider clock;
    private readonly Func<string> newInstance;
    private readonly ILogger<OpenOrderLog> log;
    private readonly Batcher<(string Id, JsonElement? Detail), bool> additions;

    private readonly Lock ownGate = new();
    private readonly SortedDictionary<long, Own> own = [];
    private string? instance;
    private Versioned<OpenHead> head;
    private long next;
    private long visited;

    private Dictionary<string, (DateTimeOffset Heartbeat, long SeenFirst)> heartbeats = [];

    /// <param name="Written">A timestamp of this process.</param>
    private sealed record Own(OpenSegment Segment, long Written);

    /// <param name="newInstance">Returns a unique name for a log.</param>
    public OpenOrderLog(ISidecar sidecar, TimeProvider clock, Func<string> newInstance, ILogger<OpenOrderLog> log)
    {
        (this.sidecar, this.clock, this.newInstance, this.log) = (sidecar, clock, newInstance, log);
        // One segment at a time: a log has one end.
        additions = new(WriteAsync, maxConcurrency: 1, maxBatchSize: SegmentMax);
    }

    /// <summary>True for the key of one of this log's documents.</summary>
    public static bool IsKey(string key) => key.StartsWith("open:", StringComparison.Ordinal);

    /// <summary>Adds an order. When this returns, a sweep will visit it.</summary>
    public Task AddAsync(string orderId, CancellationToken ct) => additions.SubmitAsync((orderId, null), ct);

    /// <summary>Adds an order with what it takes to close it. When this returns, a sweep will visit it.</summary>
    public Task AddAsync(string orderId, JsonElement detail, CancellationToken ct) => additions.SubmitAsync((orderId, detail), ct);

    /// <summary>Visits the entries of the own log and of logs whose writer is dead. A segment is dropped once all its entries are closed.</summary>
    /// <param name="minAge">Younger entries are skipped: most orders close by themselves.</param>
    /// <remarks>The next sweep continues a long log where this one stopped.</remarks>
    public async Task SweepAsync(TimeSpan minAge, SweepCallbacks callbacks, CancellationToken ct)
    {
        await SendHeartbeatAsync(ct);
        string? writer;
        List<(long, OpenSegment)> due = [];
        lock (ownGate)
        {
            writer = instance;
            // A gap behind Next of the head would look like the end to other instances.
            var old = own.TakeWhile(mine => mine.Key < head.Value?.Next && clock.GetElapsedTime(mine.Value.Written) >= minAge).ToArray();
            var from = visited;
            (visited, var orders) = (0, 0);
            foreach (var (sequence, mine) in old.SkipWhile(mine => mine.Key < from))
            {
                if (due.Count == VisitedMax || orders >= VisitedOrdersMax)
                {
                    visited = sequence;
                    break;
                }
                due.Add((sequence, mine.Segment));
                orders += mine.Segment.Orders.Length;
            }
        }
        if (writer is not null)
        {
            var dropped = await CompactAsync(writer, due, callbacks, ct);
            lock (ownGate)
            {
                // A new log may have been started meanwhile, with segments of the same numbers.
                if (instance == writer) foreach (var sequence in dropped) own.Remove(sequence);
            }
        }

        var others = await ReadOtherLogsAsync(ct);
        heartbeats = others.ToDictionary(other => other.Instance, other => SeenFirst(other.Instance, other.Head.Value!.Heartbeat));
        List<Exception> faults = [];
        foreach (var (other, heartbeat) in others)
        {
            if (clock.GetElapsedTime(heartbeats[other].SeenFirst) <= HeartbeatTimeout) continue; // mutant: clocks-compared
            try
            {
                await TakeOverAsync(other, heartbeat, callbacks, ct);
            }
            // A failed take-over does not stop the others.
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                faults.Add(fault);
            }
        }
        if (faults.Count > 0) throw new AggregateException($"{faults.Count} logs of dead instances could not be taken over: {faults[0].Message}", faults);
    }

    /// <summary>The newest entry of an order, in the log of any instance. Null: there is none.</summary>
    public async Task<OpenEntry?> FindAsync(string orderId, CancellationToken ct)
    {
        lock (ownGate)
        {
            if (own.Values.Reverse().SelectMany(mine => EntriesOf(mine.Segment)).FirstOrDefault(entry => entry.OrderId == orderId) is { } found) return found;
        }
        return (await ReadAllAsync(ct)).LastOrDefault(entry => entry.OrderId == orderId);
    }

    /// <summary>All entries of all logs, each log oldest first.</summary>
    public async Task<IReadOnlyList<OpenEntry>> ReadAllAsync(CancellationToken ct)
    {
        List<OpenEntry> all = [];
        lock (ownGate) all.AddRange(own.Values.SelectMany(mine => EntriesOf(mine.Segment)));
        foreach (var (other, heartbeat) in await ReadOtherLogsAsync(ct))
        {
            await foreach (var (_, segment) in ReadSegmentsAsync(other, heartbeat.Value!, seal: false, ct)) all.AddRange(EntriesOf(segment));
        }
        return all;
    }

    private (DateTimeOffset Heartbeat, long SeenFirst) SeenFirst(string other, DateTimeOffset heartbeat) =>
        heartbeats.TryGetValue(other, out var before) && before.Heartbeat == heartbeat ? before : (heartbeat, clock.GetTimestamp());

    private async Task<IReadOnlyList<Task<bool>>> WriteAsync(IReadOnlyList<(string Id, JsonElement? Detail)> orders)
    {
        await AppendAsync(orders);
        return [.. orders.Select(_ => Task.FromResult(true))];
    }

    private async Task AppendAsync(IReadOnlyList<(string Id, JsonElement? Detail)> orders)
    {
        while (true)
        {
            if (instance is null) await StartAsync();
            var segment = new OpenSegment(
                [.. orders.Select(order => order.Id)], clock.GetUtcNow(), Sealed: false,
                orders[0].Detail is null ? null : [.. orders.Select(order => order.Detail!.Value)]);
            var mine = instance!;
            var key = OpenSegment.KeyOf(mine, next);
            if (await sidecar.TrySaveAsync(new(key, null, ""), segment, null, default))
            {
                lock (ownGate) own.Add(next++, new(segment, clock.GetTimestamp()));
                return;
            }
            var there = (await sidecar.ReadAsync<OpenSegment>(key, default)).Value;
            if (there is { Sealed: false })
            {
                // An earlier write that was reported as failed had succeeded. Its orders are open like all others.
                lock (ownGate) own.Add(next++, new(there, clock.GetTimestamp()));
            }
            else
            {
                int open;
                lock (ownGate)
                {
                    open = own.Values.Sum(mine => mine.Segment.Orders.Length);
                    own.Clear();
                    instance = null;
                }
                SagaLog.LeaseLost(log, mine, open);
            }
        }
    }

    private async Task StartAsync()
    {
        var started = newInstance();
        var none = new Versioned<OpenHead>(OpenHead.KeyOf(started), null, "");
        await sidecar.TrySaveAsync(none, new(clock.GetUtcNow(), 0, 0), null, default);
        await ChangeInstancesAsync(ids => ids.Add(started), default);
        var read = await sidecar.ReadAsync<OpenHead>(none.Key, default);
        lock (ownGate) (instance, head, next, visited) = (started, read, 0, 0);
    }

    private async Task SendHeartbeatAsync(CancellationToken ct)
    {
        Versioned<OpenHead> before;
        OpenHead heartbeat;
        lock (ownGate)
        {
            if (instance is null || head.Value is null) return;
            before = head;
            heartbeat = new(clock.GetUtcNow(), own.Count > 0 ? own.Keys.First() : next, Math.Max(next, head.Value.Next));
        }
        await sidecar.TrySaveAsync(before, heartbeat, null, ct);
        var after = await sidecar.ReadAsync<OpenHead>(before.Key, ct);
        lock (ownGate)
        {
            // A new log may have been started meanwhile.
            if (head.Key == before.Key) head = after;
        }
    }

    private async Task TakeOverAsync(string other, Versioned<OpenHead> heartbeat, SweepCallbacks callbacks, CancellationToken ct)
    {
        List<(long Sequence, OpenSegment Segment)> segments = [];
        await foreach (var segment in ReadSegmentsAsync(other, heartbeat.Value!, seal: true, ct)) segments.Add(segment);

        // The end is published first, because compaction leaves gaps that would look like an end.
        var end = Math.Max(heartbeat.Value!.Next, segments.Count > 0 ? segments[^1].Sequence + 1 : 0);
        if (end > heartbeat.Value.Next)
        {
            SagaLog.TookOver(log, other, heartbeat.Value.Heartbeat);
            if (!await sidecar.TrySaveAsync(heartbeat, heartbeat.Value with { Next = end }, null, ct)) return;
        }

        if ((await CompactAsync(other, segments, callbacks, ct)).Count < segments.Count) return;
        await ChangeInstancesAsync(ids => ids.Remove(other), ct);
        await sidecar.DeleteAsync(OpenHead.KeyOf(other), ct);
    }

    /// <summary>The remaining segments of another instance's log.</summary>
    /// <param name="seal">Seals the log at its end, so that its writer can append nothing.</param>
    private async IAsyncEnumerable<(long Sequence, OpenSegment Segment)> ReadSegmentsAsync(
        string other, OpenHead heartbeat, bool seal, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        for (var sequence = heartbeat.First; ; sequence++)
        {
            var read = await sidecar.ReadAsync<OpenSegment>(OpenSegment.KeyOf(other, sequence), ct);
            if (read.Value is null && sequence >= heartbeat.Next)
            {
                if (!seal) yield break;
                if (await sidecar.TrySaveAsync(read, new([], clock.GetUtcNow(), Sealed: true), Retention.OfFinished, ct)) yield break;
                read = await sidecar.ReadAsync<OpenSegment>(read.Key, ct);
            }
            if (read.Value is { Sealed: true } && sequence >= heartbeat.Next) yield break;
            if (read.Value is { Sealed: false } segment) yield return (sequence, segment);
        }
    }

    /// <summary>Visits segments and drops those without an open entry.</summary>
    /// <returns>The numbers of the dropped segments.</returns>
    private async Task<IReadOnlyList<long>> CompactAsync(
        string writer, IReadOnlyList<(long Sequence, OpenSegment Segment)> segments, SweepCallbacks callbacks, CancellationToken ct)
    {
        List<long> closed = [];
        List<OpenEntry> ended = [];
        for (var from = 0; from < segments.Count;)
        {
            // Small segments are visited in one batch.
            List<OpenEntry> entries = [.. EntriesOf(segments[from].Segment)];
            var end = from + 1;
            for (; end < segments.Count && entries.Count + segments[end].Segment.Orders.Length <= SegmentMax; end++)
            {
                entries.AddRange(EntriesOf(segments[end].Segment));
            }
            var open = await callbacks.FindOpenAsync(entries, ct);
            foreach (var (sequence, segment) in segments.Skip(from).Take(end - from))
            {
                if (segment.Orders.Any(open.Contains)) continue;
                closed.Add(sequence);
                ended.AddRange(EntriesOf(segment));
            }
            from = end;
        }
        if (ended.Count > 0) await callbacks.OnClosedAsync(ended, ct); // mutant: dropped-before-history
        foreach (var sequence in closed) await sidecar.DeleteAsync(OpenSegment.KeyOf(writer, sequence), ct); // mutant: dropped-before-history
        return closed;
    }

    private static IEnumerable<OpenEntry> EntriesOf(OpenSegment segment) =>
        segment.Orders.Select((id, at) => new OpenEntry(id, segment.Written, segment.Details?[at]));

    private async Task<IReadOnlyList<(string Instance, Versioned<OpenHead> Head)>> ReadOtherLogsAsync(CancellationToken ct)
    {
        var ids = (await sidecar.ReadAsync<OpenInstances>(OpenInstances.Key, ct)).Value?.Ids ?? [];
        var others = ids.Where(id => id != instance).ToArray();
        var heads = await sidecar.ReadManyAsync<OpenHead>([.. others.Select(OpenHead.KeyOf)], ct);
        return [.. others.Zip(heads).Where(pair => pair.Second.Value is not null).Select(pair => (pair.First, pair.Second))];
    }

    private async Task ChangeInstancesAsync(Func<ImmutableSortedSet<string>, ImmutableSortedSet<string>> change, CancellationToken ct)
    {
        while (true)
        {
            var read = await sidecar.ReadAsync<OpenInstances>(OpenInstances.Key, ct);
            var before = read.Value?.Ids ?? [];
            var after = change(before);
            if (after == before || await sidecar.TrySaveAsync(read, new(after), null, ct)) return;
        }
    }
}
