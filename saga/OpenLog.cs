using System.Collections.Immutable;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>The instances that have an open log. One document for all of them.</summary>
public sealed record OpenInstances(ImmutableSortedSet<string> Ids)
{
    public const string Key = "open:instances";
}

/// <summary>One instance's log: its segments start at <paramref name="First"/>; before Next all are written.</summary>
/// <param name="Heartbeat">By its own clock, which may be wrong: only that it changes says that the instance lives.</param>
public sealed record OpenHead(DateTimeOffset Heartbeat, long First, long Next)
{
    public static string KeyOf(string instance) => $"open:{instance}";
}

/// <summary>Orders that were open when it was written. Written once.</summary>
/// <param name="Sealed">The end of the log: another instance has taken it over, and nothing can be written behind it.</param>
public sealed record OpenSegment(ImmutableArray<string> Orders, DateTimeOffset Written, bool Sealed)
{
    public static string KeyOf(string instance, long sequence) => $"open:{instance}:{sequence}";
}

/// <summary>How the orders of a log are looked after.</summary>
/// <param name="FindOpenAsync">Does what is to be done about each, and answers which are still open.</param>
/// <param name="OnClosedAsync">Told of orders that are not open any more, before the log forgets them; of some more than once.</param>
public sealed record SweepCallbacks(
    Func<IReadOnlyList<OpenEntry>, CancellationToken, Task<IReadOnlySet<string>>> FindOpenAsync,
    Func<IReadOnlyList<OpenEntry>, CancellationToken, Task> OnClosedAsync);

/// <summary>An order that is in some instance's log.</summary>
/// <param name="Since">When it was put there.</param>
public sealed record OpenEntry(string OrderId, DateTimeOffset Since);

/// <summary>
/// Which orders have not come to rest: so that an order is found again whatever died since. An order's id is here before its own
/// document exists, and it stays until somebody has seen that nothing more will happen.
/// </summary>
/// <remarks>
/// Ids that come at the same time share one write. A log has one writer; when that falls silent, others close the log by writing its end
/// where the next segment would be, and look after what is in it. A writer that was only asleep finds the end and starts a new log.
/// Clocks may be wrong and jump: how long something takes is measured here, and never told from what another clock has written.
/// </remarks>
/// <param name="newInstance">A name that no log ever had.</param>
public sealed class OpenOrderLog(ISidecar sidecar, TimeProvider clock, Func<string> newInstance, ILogger<OpenOrderLog> log)
{
    /// <summary>At most this many orders in one segment.</summary>
    private const int SegmentMax = 500;

    /// <summary>A sweep visits no further segment after so many, or after so many orders: it must be over long before <see cref="HeartbeatTimeout"/>.</summary>
    private const int VisitedMax = 1_000, VisitedOrdersMax = 5_000;

    /// <summary>An instance whose beat has not changed for so long, under the eyes of another, is taken for dead.</summary>
    public static readonly TimeSpan HeartbeatTimeout = TimeSpan.FromSeconds(20);

    private readonly Lock gate = new();
    private Batch? waiting;
    private bool writing;

    private readonly Lock ownGate = new();
    private readonly SortedDictionary<long, Own> own = [];
    private string? instance;
    private Versioned<OpenHead> head;
    private long next;
    private long visited;

    private Dictionary<string, (DateTimeOffset Heartbeat, long SeenFirst)> heartbeats = [];

    /// <param name="Written">A timestamp of this process.</param>
    private sealed record Own(OpenSegment Segment, long Written);

    private sealed class Batch
    {
        /// <summary>What the first of them is put there for. Null: there is no trace.</summary>
        public readonly Activity? Step = Activity.Current;
        public readonly List<string> Orders = [];
        public readonly TaskCompletionSource Written = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Puts an order in the log. When this returns, it will be looked after.</summary>
    public Task AddAsync(string orderId, CancellationToken ct) => AddAsync([orderId], ct);

    /// <summary>Puts orders in the log. When this returns, they will be looked after.</summary>
    public Task AddAsync(IReadOnlyList<string> orderIds, CancellationToken ct)
    {
        lock (gate)
        {
            var batch = waiting ??= new();
            batch.Orders.AddRange(orderIds);
            if (!writing)
            {
                writing = true;
                _ = WriteWaitingAsync();
            }
            return batch.Written.Task.WaitAsync(ct);
        }
    }

    /// <summary>Looks after the orders of the own log, and of logs whose writer is silent; what is over is dropped, once its whole segment is.</summary>
    /// <param name="minAge">An order that was put in the log more recently is left in peace: most come to rest by themselves.</param>
    /// <remarks>Of a long log the next sweep visits what is left.</remarks>
    public async Task SweepAsync(TimeSpan minAge, SweepCallbacks callbacks, CancellationToken ct)
    {
        await SendHeartbeatAsync(ct);
        string? writer;
        List<(long, OpenSegment)> due = [];
        lock (ownGate)
        {
            writer = instance;
            // A gap behind what the head says is written would look like the end to others.
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
                // Another log may have been started meanwhile, with segments of the same numbers.
                if (instance == writer) foreach (var sequence in dropped) own.Remove(sequence);
            }
        }

        var others = await ReadOtherLogsAsync(ct);
        heartbeats = others.ToDictionary(other => other.Instance, other => SeenFirst(other.Instance, other.Head.Value!.Heartbeat));
        List<Exception> faults = [];
        foreach (var (other, heartbeat) in others)
        {
            if (clock.GetElapsedTime(heartbeats[other].SeenFirst) <= HeartbeatTimeout) continue;
            try
            {
                await TakeOverAsync(other, heartbeat, callbacks, ct);
            }
            // A log that cannot be adopted keeps no other from being adopted.
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                faults.Add(fault);
            }
        }
        if (faults.Count > 0) throw new AggregateException($"{faults.Count} logs of silent instances could not be adopted: {faults[0].Message}", faults);
    }

    /// <summary>All orders in all logs, in each log the oldest first.</summary>
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

    private async Task WriteWaitingAsync()
    {
        // Who else comes in this turn shares the write.
        await Task.Yield();
        while (true)
        {
            Batch batch;
            lock (gate)
            {
                if (waiting is null)
                {
                    writing = false;
                    return;
                }
                batch = waiting;
                waiting = null;
            }
            try
            {
                SagaTracing.Resume(batch.Step);
                foreach (var part in batch.Orders.Chunk(SegmentMax)) await AppendAsync([.. part]);
                batch.Written.SetResult();
            }
            catch (Exception fault)
            {
                batch.Written.SetException(fault);
            }
        }
    }

    private async Task AppendAsync(ImmutableArray<string> orders)
    {
        while (true)
        {
            if (instance is null) await StartAsync();
            var segment = new OpenSegment(orders, clock.GetUtcNow(), Sealed: false);
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
                // A write that was reported as failed had been done. Its orders are looked after like all others.
                lock (ownGate) own.Add(next++, new(there, clock.GetTimestamp()));
            }
            else
            {
                int open;
                lock (ownGate)
                {
                    open = own.Values.Sum(taken => taken.Segment.Orders.Length);
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
            // Another log may have been started meanwhile.
            if (head.Key == before.Key) head = after;
        }
    }

    private async Task TakeOverAsync(string other, Versioned<OpenHead> heartbeat, SweepCallbacks callbacks, CancellationToken ct)
    {
        List<(long Sequence, OpenSegment Segment)> segments = [];
        await foreach (var segment in ReadSegmentsAsync(other, heartbeat.Value!, seal: true, ct)) segments.Add(segment);

        // First everybody can know where the log ends; only then gaps may come into it.
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

    /// <summary>The segments of another's log that are still there.</summary>
    /// <param name="seal">Write its end where the next segment would be.</param>
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

    /// <summary>Visits segments, and drops those of which nothing is open any more.</summary>
    /// <returns>The dropped.</returns>
    private async Task<IReadOnlyList<long>> CompactAsync(
        string writer, IReadOnlyList<(long Sequence, OpenSegment Segment)> segments, SweepCallbacks callbacks, CancellationToken ct)
    {
        List<long> over = [];
        List<OpenEntry> ended = [];
        for (var from = 0; from < segments.Count;)
        {
            // Small ones share a look.
            List<OpenEntry> entries = [.. EntriesOf(segments[from].Segment)];
            var end = from + 1;
            for (; end < segments.Count && entries.Count + segments[end].Segment.Orders.Length <= SegmentMax; end++) entries.AddRange(EntriesOf(segments[end].Segment));
            var open = await callbacks.FindOpenAsync(entries, ct);
            foreach (var (sequence, segment) in segments.Skip(from).Take(end - from))
            {
                if (segment.Orders.Any(open.Contains)) continue;
                over.Add(sequence);
                ended.AddRange(EntriesOf(segment));
            }
            from = end;
        }
        if (ended.Count > 0) await callbacks.OnClosedAsync(ended, ct);
        foreach (var sequence in over) await sidecar.DeleteAsync(OpenSegment.KeyOf(writer, sequence), ct);
        return over;
    }

    private static IEnumerable<OpenEntry> EntriesOf(OpenSegment segment) => segment.Orders.Select(id => new OpenEntry(id, segment.Written));

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
