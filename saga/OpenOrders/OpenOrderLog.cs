using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Messaging;
using Saga.State;
using Saga.Telemetry;

namespace Saga.OpenOrders;

/// <summary>The instances that have a log. One document for all of them, and a spare one for those that start while that is corrupt.</summary>
internal sealed record OpenInstances(ImmutableSortedSet<string> Ids)
{
    public const string Key = "open:instances", SpareKey = "open:instances-spare";

    public static readonly string[] Keys = [Key, SpareKey];
}

/// <summary>The head of one instance's log. Its segments start at <paramref name="First"/>; all before Next are written.</summary>
/// <param name="Heartbeat">By the writer's clock, which may be wrong: only a change shows that the instance is alive.</param>
/// <param name="HasLeft">The writer has ended, and appends nothing more. It does not say so when it crashes.</param>
internal sealed record OpenHead(
    DateTimeOffset Heartbeat, long First, long Next, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool HasLeft = false)
    : IHasInvariants
{
    /// <summary>Numbers from First to Next, at most: a take-over reads each. A writer keeps far below it.</summary>
    private const long SpanMax = 1_000_000;

    /// <summary>Far above what a writer reaches, and far below an overflow.</summary>
    private const long NextMax = 1_000_000_000_000_000;

    public string? FindProblem(string key) =>
        First < 0 || Next < First || Next > NextMax || Next - First > SpanMax ? $"its log goes from {First} to {Next}" : null;

    public static string KeyOf(string instance) => $"open:{instance}";
}

/// <summary>An immutable batch of orders that were open when it was written.</summary>
/// <param name="Sealed">The end of the log: another instance has taken it over, and its writer can append nothing.</param>
/// <param name="Details">Of each order what it takes to close it. Null: the id is enough.</param>
internal sealed record OpenSegment(ImmutableArray<string> Orders, DateTimeOffset Written, bool Sealed, ImmutableArray<JsonElement>? Details = null)
    : IHasInvariants
{
    /// <remarks>Each order is checked when it is visited, so that a wrong one does not hide the others.</remarks>
    public string? FindProblem(string key) =>
        Orders.IsDefault ? "it has no orders"
        : Details is { } details && details.Length != Orders.Length ? "an order lacks its details"
        : Sealed && Orders.Length > 0 ? "it is the end of its log and has orders"
        : null;

    public static string KeyOf(string instance, long sequence) => $"open:{instance}:{sequence}";
}

/// <summary>What a sweep does with the entries of a log.</summary>
/// <param name="FindOpenAsync">Visits entries and returns the ids of those that are still open.</param>
/// <param name="OnClosedAsync">Receives closed entries before the log drops them, some of them more than once.</param>
/// <param name="OnLeft">
/// Receives the id of an order that this instance no longer visits: another one does, or has dropped it. It must not throw. Null: none is called.
/// </param>
internal sealed record SweepCallbacks(
    Func<IReadOnlyList<OpenEntry>, CancellationToken, Task<IReadOnlySet<string>>> FindOpenAsync,
    Func<IReadOnlyList<OpenEntry>, CancellationToken, Task> OnClosedAsync,
    Action<string>? OnLeft = null);

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
/// A document that is corrupt stops no other: it is skipped, reported and left as it is, and its orders are visited again once it is repaired. The
/// writer of a log with a corrupt head starts a new one and tracks there what is open, because no instance could take over the old one.
/// </remarks>
internal sealed class OpenOrderLog
{
    /// <summary>Orders per segment, at most.</summary>
    private const int SegmentMax = 500;

    /// <summary>Segments and orders of one log that one sweep visits, at most.</summary>
    private const int VisitedMax = 1_000, VisitedOrdersMax = 5_000;

    /// <summary>Orders that are visited between two looks at the clock: these must end long before <see cref="HeartbeatTimeout"/>.</summary>
    private const int VisitMax = 100;

    /// <summary>An own segment is tracked again behind this many others, so that an order that stays open for days does not stretch the log.</summary>
    private const int TrackedAgainAfter = 100_000;

    /// <summary>Segments of another log that are read at once.</summary>
    private const int ReadMax = 100;

    /// <summary>Takes the place of the topic in the dead letter that reports a corrupt document of the log.</summary>
    internal const string DeadLetterKind = "open-orders";

    /// <summary>Between two reports of one corrupt document.</summary>
    private static readonly TimeSpan ReportDelayMin = TimeSpan.FromMinutes(1), ReportDelayMax = TimeSpan.FromHours(1);

    /// <summary>An instance whose heartbeat another instance has not seen change for this long is taken for dead.</summary>
    public static readonly TimeSpan HeartbeatTimeout = TimeSpan.FromSeconds(20);

    /// <summary>After this time a sweep that goes on sends another heartbeat.</summary>
    private static readonly TimeSpan HeartbeatPeriod = TimeSpan.FromSeconds(5);

    private readonly ISidecar sidecar;
    private readonly DocumentStore documents;
    private readonly TimeProvider clock;
    private readonly Func<string> newInstance;
    private readonly ILogger<OpenOrderLog> log;
    private readonly DeadLetters? deadLetters;
    private readonly KeyedBackoff reported;
    private readonly Batcher<(string Id, JsonElement? Detail), bool> additions;

    private readonly Lock ownGate = new();
    /// <summary>The segments whose orders this instance visits. Their numbers go on when it starts a new log.</summary>
    private readonly SortedDictionary<long, Own> own = [];
    /// <summary>The orders that have left this instance, until the next sweep says so.</summary>
    private readonly List<string> left = [];
    private string? instance;
    /// <summary>The name of a log whose start has failed. The next start uses it again, so that a long outage leaves one name without a head.</summary>
    private string? entered;
    private Versioned<OpenHead> head;
    private long next;
    private long visited;
    private long heartbeatSent;

    private Dictionary<string, OtherLog> otherLogs = [];

    /// <param name="Instance">The log that it is in.</param>
    /// <param name="Written">A timestamp of this process.</param>
    private sealed record Own(string Instance, OpenSegment Segment, long Written);

    /// <summary>The log of another instance since its heartbeat has last changed.</summary>
    /// <param name="seenFirst">When this process saw that, as a timestamp.</param>
    private sealed class OtherLog(DateTimeOffset heartbeat, long seenFirst)
    {
        public DateTimeOffset Heartbeat => heartbeat;

        public long SeenFirst => seenFirst;

        /// <summary>The segment that the next sweep begins with.</summary>
        public long From { get; set; }

        /// <summary>The orders that were in it when this instance took it over or last visited it.</summary>
        public IReadOnlyList<string> Orders { get; set; } = [];
    }

    /// <param name="newInstance">Returns a unique name for a log.</param>
    /// <param name="deadLetters">Report corrupt documents of the log to an operator. Null: they are only logged.</param>
    public OpenOrderLog(
        ISidecar sidecar, TimeProvider clock, Func<string> newInstance, ILogger<OpenOrderLog> log, DeadLetters? deadLetters = null)
    {
        (this.sidecar, this.clock, this.newInstance, this.log, this.deadLetters) = (sidecar, clock, newInstance, log, deadLetters);
        // Few instances start at once: their delays after a conflict need not differ.
        documents = new(sidecar, new(clock, new Random(Seed: 0)));
        reported = new(ReportDelayMin, ReportDelayMax, clock);
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
        string[] gone;
        lock (ownGate)
        {
            gone = [.. left];
            left.Clear();
        }
        foreach (var id in gone) callbacks.OnLeft?.Invoke(id);
        await SendHeartbeatAsync(ct);
        await TrackAgainAsync(ct);
        string? writer;
        IReadOnlyList<(long, OpenSegment)> due;
        lock (ownGate)
        {
            writer = instance;
            // A gap behind Next of the head would look like the end to other instances.
            var old = OfWriter().TakeWhile(mine => mine.Key < head.Value?.Next && clock.GetElapsedTime(mine.Value.Written) >= minAge);
            (due, visited) = TakePart(old.Select(mine => (mine.Key, mine.Value.Segment)), visited);
        }
        List<Exception> faults = [];
        if (writer is not null)
        {
            try
            {
                var dropped = await CompactAsync(writer, due, callbacks, ct);
                lock (ownGate) foreach (var sequence in dropped) own.Remove(sequence);
            }
            // What fails at every retry does not stop the take-overs.
            catch (Exception fault) when (!Faults.IsTransient(fault))
            {
                faults.Add(fault);
            }
        }

        var others = await ReadOtherLogsAsync(ct);
        var (before, seen) = (otherLogs, clock.GetTimestamp());
        otherLogs = others.ToDictionary(other => other.Instance, other => See(other.Instance, other.Head.Value!.Heartbeat));
        // Their writers live after all, or another instance has finished the take-over.
        Leave(before.Values.Except(otherLogs.Values).SelectMany(log => log.Orders));
        foreach (var (other, heartbeat) in others)
        {
            // At the time of the read: the take-overs before this one may have lasted long.
            var isAlive = clock.GetElapsedTime(otherLogs[other].SeenFirst, seen) <= HeartbeatTimeout; // mutant: clocks-compared
            if (isAlive && !heartbeat.Value!.HasLeft) continue;
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
        if (faults.Count > 0) throw new AggregateException($"{faults.Count} logs of open orders could not be swept: {faults[0].Message}", faults);
    }

    /// <summary>Leaves the own log to other instances, which need not wait for <see cref="HeartbeatTimeout"/>. An addition afterwards starts a new one.</summary>
    public async Task LeaveAsync(CancellationToken ct)
    {
        Versioned<OpenHead> last;
        lock (ownGate)
        {
            if (instance is null || head.Value is null) return;
            (last, instance) = (head, null);
        }
        // After a conflict: a heartbeat that was cancelled has taken effect all the same, or another instance takes the log over.
        while (last.Value is { HasLeft: false } mine
            && !await sidecar.TrySaveAsync(last, mine with { Heartbeat = clock.GetUtcNow(), HasLeft = true }, null, ct))
        {
            // Without a heartbeat a log with a corrupt head is taken over once it is repaired.
            if (await ReadOrReportAsync(sidecar.ReadAsync<OpenHead>(last.Key, ct), last.Key, ct) is not { } again) return;
            last = again;
        }
    }

    /// <summary>The newest entry of an order, in the log of any instance. Null: there is none.</summary>
    public async Task<OpenEntry?> FindAsync(string orderId, CancellationToken ct)
    {
        lock (ownGate)
        {
            if (own.Values.Reverse().SelectMany(mine => GetEntries(mine.Segment)).FirstOrDefault(entry => entry.OrderId == orderId) is { } found) return found;
        }
        return (await ReadAllAsync(ct)).LastOrDefault(entry => entry.OrderId == orderId);
    }

    /// <summary>All entries of all logs, each log oldest first.</summary>
    public async Task<IReadOnlyList<OpenEntry>> ReadAllAsync(CancellationToken ct)
    {
        List<OpenEntry> all = [];
        lock (ownGate) all.AddRange(own.Values.SelectMany(mine => GetEntries(mine.Segment)));
        foreach (var (other, heartbeat) in await ReadOtherLogsAsync(ct)) all.AddRange(await ReadEntriesAsync(other, heartbeat, ct));
        return all;
    }

    private async Task<IReadOnlyList<OpenEntry>> ReadEntriesAsync(string other, Versioned<OpenHead> heartbeat, CancellationToken ct)
    {
        List<OpenEntry> entries = [];
        while (true)
        {
            var end = heartbeat.Value!.Next;
            await foreach (var (sequence, segment) in ReadSegmentsAsync(other, heartbeat.Value, seal: false, ct))
            {
                end = Math.Max(end, sequence + 1);
                if (segment is not null) entries.AddRange(GetEntries(segment));
            }
            // A take-over since the head was read may have left gaps, and what seemed to be the end was one.
            if (await ReadOrReportAsync(sidecar.ReadAsync<OpenHead>(heartbeat.Key, ct), heartbeat.Key, ct) is not { Value: not null } now
                || now.Value.Next <= end) return entries;
            // On from there: a writer appends all the time, and a long log is not read from its begin again.
            heartbeat = now with { Value = now.Value with { First = end } };
        }
    }

    private OtherLog See(string other, DateTimeOffset heartbeat) =>
        otherLogs.TryGetValue(other, out var before) && before.Heartbeat == heartbeat ? before : new(heartbeat, clock.GetTimestamp());

    private void Leave(IEnumerable<string> orders)
    {
        lock (ownGate) left.AddRange(orders);
    }

    /// <returns>The segments that one sweep visits, beginning at <paramref name="from"/>, and where the next begins. 0: at the first.</returns>
    private static (IReadOnlyList<(long Sequence, OpenSegment Segment)> Due, long Next) TakePart(
        IEnumerable<(long Sequence, OpenSegment Segment)> segments, long from)
    {
        List<(long, OpenSegment)> due = [];
        var orders = 0;
        foreach (var (sequence, segment) in segments.SkipWhile(one => one.Sequence < from))
        {
            if (due.Count == VisitedMax || orders >= VisitedOrdersMax) return (due, sequence);
            due.Add((sequence, segment));
            orders += segment.Orders.Length;
        }
        return (due, 0);
    }

    private async Task<IReadOnlyList<Task<bool>>> WriteAsync(IReadOnlyList<(string Id, JsonElement? Detail)> orders)
    {
        await AppendAsync(orders);
        return [.. orders.Select(_ => Task.FromResult(true))];
    }

    private async Task AppendAsync(IReadOnlyList<(string Id, JsonElement? Detail)> orders)
    {
        while (true)
        {
            var mine = instance ?? await StartAsync();
            var segment = new OpenSegment(
                [.. orders.Select(order => order.Id)], clock.GetUtcNow(), Sealed: false,
                orders[0].Detail is null ? null : [.. orders.Select(order => order.Detail!.Value)]);
            var key = OpenSegment.KeyOf(mine, next);
            if (await sidecar.TrySaveAsync(new(key, null, ""), segment, null, default))
            {
                lock (ownGate) own.Add(next++, new(mine, segment, clock.GetTimestamp()));
                return;
            }
            var there = (await ReadOrReportAsync(sidecar.ReadAsync<OpenSegment>(key, default), key, default))?.Value;
            if (there is { Sealed: false })
            {
                // An earlier write that was reported as failed had succeeded. Its orders are open like all others.
                lock (ownGate) own.Add(next++, new(mine, there, clock.GetTimestamp()));
            }
            else
            {
                // A seal, which may be corrupt. Without a heartbeat the log is taken over in any case.
                var open = 0;
                lock (ownGate)
                {
                    foreach (var (sequence, lost) in own.Where(one => one.Value.Instance == mine).ToArray())
                    {
                        open += lost.Segment.Orders.Length;
                        Leave(GetIds(lost.Segment));
                        own.Remove(sequence);
                    }
                    if (instance == mine) instance = null;
                }
                SagaLog.LeaseLost(log, mine, open);
            }
        }
    }

    /// <returns>The name of the new log.</returns>
    private async Task<string> StartAsync()
    {
        while (true)
        {
            var started = entered ??= newInstance();
            var none = new Versioned<OpenHead>(OpenHead.KeyOf(started), null, "");
            // First, so that no head is left outside of the list. An instance without a head is skipped.
            await EnterAsync(started);
            await sidecar.TrySaveAsync(none, new(clock.GetUtcNow(), next, next), null, default);
            var there = await ReadOrReportAsync(sidecar.ReadAsync<OpenHead>(none.Key, default), none.Key, default);
            // Not there yet, or another instance has taken the log over meanwhile: its seal stops the first append.
            if (there is { Value: null }) continue;
            entered = null;
            if (there is not { } read) continue;
            lock (ownGate) (instance, head, visited) = (started, read, 0);
            return started;
        }
    }

    private async Task SendHeartbeatAsync(CancellationToken ct)
    {
        Versioned<OpenHead> before;
        OpenHead heartbeat;
        lock (ownGate)
        {
            if (instance is null || head.Value is null) return;
            before = head;
            heartbeatSent = clock.GetTimestamp();
            heartbeat = new(clock.GetUtcNow(), OfWriter().Select(mine => mine.Key).FirstOrDefault(next), Math.Max(next, head.Value.Next));
        }
        await sidecar.TrySaveAsync(before, heartbeat, null, ct);
        var after = await ReadOrReportAsync(sidecar.ReadAsync<OpenHead>(before.Key, ct), before.Key, ct);
        lock (ownGate)
        {
            // A new log may have been started meanwhile.
            if (head.Key != before.Key) return;
            if (after is { Value: not null } read) head = read;
            else instance = null;
        }
    }

    /// <summary>
    /// Tracks once more, at the end of the log, what is in a log that this instance has left, or far behind. A log that was left stays as it is, so
    /// that it can be taken over once its head is repaired.
    /// </summary>
    private async Task TrackAgainAsync(CancellationToken ct)
    {
        string? writer;
        KeyValuePair<long, Own>[] again;
        lock (ownGate)
        {
            writer = instance;
            again = [.. own.Where(mine => mine.Value.Instance != writer || mine.Key < next - TrackedAgainAfter)];
        }
        foreach (var (sequence, mine) in again)
        {
            Task[] tracked = [.. GetEntries(mine.Segment).Select(entry => additions.SubmitAsync((entry.OrderId, entry.Detail), ct))];
            foreach (var one in tracked) await one;
            lock (ownGate) own.Remove(sequence);
            if (mine.Instance == writer) await sidecar.DeleteAsync(OpenSegment.KeyOf(writer, sequence), ct);
        }
    }

    /// <summary>The own segments of the current log.</summary>
    private IEnumerable<KeyValuePair<long, Own>> OfWriter() => own.Where(mine => mine.Value.Instance == instance);

    private async Task TakeOverAsync(string other, Versioned<OpenHead> heartbeat, SweepCallbacks callbacks, CancellationToken ct)
    {
        List<(long Sequence, OpenSegment Segment)> segments = [];
        var (end, isReadable) = (heartbeat.Value!.Next, true);
        await foreach (var (sequence, segment) in ReadSegmentsAsync(other, heartbeat.Value, seal: true, ct))
        {
            end = Math.Max(end, sequence + 1);
            if (segment is null) isReadable = false;
            else segments.Add((sequence, segment));
        }

        // The end is published first, because compaction leaves gaps that would look like an end.
        if (end > heartbeat.Value.Next)
        {
            SagaLog.TookOver(log, other, heartbeat.Value.Heartbeat);
            if (!await sidecar.TrySaveAsync(heartbeat, heartbeat.Value with { Next = end }, null, ct)) return;
        }
        // Another that has published an end since the head was read may have left such gaps, and what seemed to be the end was one.
        else if (await ReadOrReportAsync(sidecar.ReadAsync<OpenHead>(heartbeat.Key, ct), heartbeat.Key, ct) is not { } now || now.ETag != heartbeat.ETag) return;

        var taken = otherLogs[other];
        string[] orders = [.. segments.SelectMany(one => GetIds(one.Segment))];
        // Another instance that takes it over too has dropped them.
        Leave(taken.Orders.Except(orders));
        taken.Orders = orders;
        (var due, taken.From) = TakePart(segments, taken.From);
        var closed = await CompactAsync(other, due, callbacks, ct, sealAt: end - 1);
        if (!isReadable || closed.Count < segments.Count) return;
        foreach (var list in OpenInstances.Keys)
        {
            if (await ReadOrReportAsync(sidecar.ReadAsync<OpenInstances>(list, ct), list, ct) is { Value: { } listed } && listed.Ids.Contains(other))
            {
                await ChangeInstancesAsync(list, ids => ids.Remove(other), ct);
            }
        }
        await sidecar.DeleteAsync(OpenHead.KeyOf(other), ct);
    }

    /// <summary>The remaining segments of another instance's log.</summary>
    /// <param name="seal">Seals the log at its end, so that its writer can append nothing.</param>
    /// <returns>In order. Segment null: it is corrupt, and reported.</returns>
    private async IAsyncEnumerable<(long Sequence, OpenSegment? Segment)> ReadSegmentsAsync(
        string other, OpenHead heartbeat, bool seal, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        for (var from = heartbeat.First; from < heartbeat.Next; from += ReadMax)
        {
            string[] keys = [.. Enumerable.Range(0, (int)Math.Min(ReadMax, heartbeat.Next - from)).Select(at => OpenSegment.KeyOf(other, from + at))];
            var reads = await sidecar.ReadEachAsync<OpenSegment>(keys, ct);
            for (var at = 0; at < keys.Length; at++)
            {
                var read = await ReadOrReportAsync(reads[at], keys[at], ct);
                // Compaction leaves gaps before the end.
                if (read is null or { Value.Sealed: false }) yield return (from + at, read?.Value);
            }
        }
        for (var sequence = heartbeat.Next; ; sequence++)
        {
            var key = OpenSegment.KeyOf(other, sequence);
            var read = await ReadOrReportAsync(sidecar.ReadAsync<OpenSegment>(key, ct), key, ct);
            if (read is { Value: null } end)
            {
                if (!seal) yield break;
                if (await sidecar.TrySaveAsync(end, new([], clock.GetUtcNow(), Sealed: true), Retention.OfFinished, ct)) yield break;
                read = await ReadOrReportAsync(sidecar.ReadAsync<OpenSegment>(key, ct), key, ct);
            }
            if (read is { Value.Sealed: true }) yield break;
            if (read is null or { Value: not null }) yield return (sequence, read?.Value);
        }
    }

    /// <summary>Visits segments and drops those without an open entry.</summary>
    /// <param name="sealAt">The last segment of a log that is taken over. Null: the log is the own one.</param>
    /// <returns>The numbers of the dropped segments.</returns>
    private async Task<IReadOnlyList<long>> CompactAsync(
        string writer, IReadOnlyList<(long Sequence, OpenSegment Segment)> segments, SweepCallbacks callbacks, CancellationToken ct, long? sealAt = null)
    {
        List<long> closed = [];
        List<OpenEntry> ended = [];
        for (var from = 0; from < segments.Count;)
        {
            // Small segments are visited in one batch.
            List<OpenEntry> entries = [.. GetEntries(segments[from].Segment)];
            var end = from + 1;
            for (; end < segments.Count && entries.Count + segments[end].Segment.Orders.Length <= SegmentMax; end++)
            {
                entries.AddRange(GetEntries(segments[end].Segment));
            }
            HashSet<string> open = [];
            foreach (var visit in entries.Chunk(VisitMax))
            {
                if (clock.GetElapsedTime(heartbeatSent) >= HeartbeatPeriod) await SendHeartbeatAsync(ct);
                open.UnionWith(await callbacks.FindOpenAsync(visit, ct));
            }
            foreach (var (sequence, segment) in segments.Skip(from).Take(end - from))
            {
                if (segment.Orders.Any(open.Contains)) continue;
                closed.Add(sequence);
                ended.AddRange(GetEntries(segment));
            }
            from = end;
        }
        if (ended.Count > 0) await callbacks.OnClosedAsync(ended, ct); // mutant: dropped-before-history
        foreach (var sequence in closed) await DeleteSegmentAsync(OpenSegment.KeyOf(writer, sequence), isSealed: sequence == sealAt, ct); // mutant: dropped-before-history
        return closed;
    }

    /// <param name="isSealed">
    /// A seal takes its place. A writer whose write of its last segment was reported as failed, and who was suspended since, would append there again,
    /// before the seal at the end, where no instance reads any more.
    /// </param>
    private async Task DeleteSegmentAsync(string key, bool isSealed, CancellationToken ct)
    {
        if (!isSealed) await sidecar.DeleteAsync(key, ct);
        else if (await ReadOrReportAsync(sidecar.ReadAsync<OpenSegment>(key, ct), key, ct) is { Value.Sealed: false } last)
        {
            await sidecar.TrySaveAsync(last, new([], clock.GetUtcNow(), Sealed: true), Retention.OfFinished, ct);
        }
    }

    private static IEnumerable<OpenEntry> GetEntries(OpenSegment segment) =>
        // A stored id may be null, which no order has.
        segment.Orders.Select((id, at) => new OpenEntry(id ?? "", segment.Written, segment.Details?[at]));

    private static IEnumerable<string> GetIds(OpenSegment segment) => GetEntries(segment).Select(entry => entry.OrderId);

    private async Task<IReadOnlyList<(string Instance, Versioned<OpenHead> Head)>> ReadOtherLogsAsync(CancellationToken ct)
    {
        SortedSet<string> others = new(StringComparer.Ordinal);
        foreach (var (list, read) in OpenInstances.Keys.Zip(await sidecar.ReadEachAsync<OpenInstances>(OpenInstances.Keys, ct)))
        {
            foreach (var id in (await ReadOrReportAsync(read, list, ct))?.Value?.Ids ?? [])
            {
                if (!DocumentId.IsValid(id)) await ReportAsync(list, $"'{id}' in {list} is no instance.", ct);
                else if (id != instance) others.Add(id);
            }
        }
        List<(string, Versioned<OpenHead>)> logs = [];
        foreach (var (other, read) in others.Zip(await sidecar.ReadEachAsync<OpenHead>([.. others.Select(OpenHead.KeyOf)], ct)))
        {
            if (await ReadOrReportAsync(read, OpenHead.KeyOf(other), ct) is { Value: not null } heartbeat) logs.Add((other, heartbeat));
        }
        return logs;
    }

    /// <returns>Null: the document is corrupt, and reported.</returns>
    private async Task<Versioned<T>?> ReadOrReportAsync<T>(Task<Versioned<T>> read, string key, CancellationToken ct) where T : class
    {
        try
        {
            return await read;
        }
        catch (CorruptDocumentException corrupt)
        {
            await ReportAsync(key, corrupt.Message, ct);
            return null;
        }
    }

    /// <summary>Reports a corrupt document of the log in a dead letter, now and as long as it stays corrupt.</summary>
    private async Task ReportAsync(string key, string problem, CancellationToken ct)
    {
        if (reported.IsDelayed(key)) return;
        reported.Delay(key);
        SagaLog.OpenOrdersUnreadable(log, key, problem);
        if (deadLetters is null) return;
        try
        {
            await deadLetters.StoreAsync(new(DeadLetterKind, key, ByteString.CopyFromUtf8(key)),
                $"{problem} Orders that only it tracks are not visited until it is repaired (docs/debugging.md).", ct);
        }
        // The log says it, and the next report stores it.
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            SagaLog.ReportNotStored(log, key, fault.Message);
        }
    }

    /// <summary>Enters an instance into the first list that can be read.</summary>
    private async Task EnterAsync(string started)
    {
        try
        {
            await ChangeInstancesAsync(OpenInstances.Key, ids => ids.Add(started), default);
        }
        catch (CorruptDocumentException corrupt)
        {
            await ReportAsync(OpenInstances.Key, corrupt.Message, default);
            await ChangeInstancesAsync(OpenInstances.SpareKey, ids => ids.Add(started), default);
        }
    }

    private Task ChangeInstancesAsync(string list, Func<ImmutableSortedSet<string>, ImmutableSortedSet<string>> change, CancellationToken ct) =>
        documents.UpdateAsync<OpenInstances, bool>(list, stored =>
        {
            var before = stored?.Ids ?? [];
            var after = change(before);
            return new(after == before ? null : new(after), true);
        }, ct);
}
