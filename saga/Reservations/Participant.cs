using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dapr;
using Saga.Commands;
using Saga.Dapr;
using Saga.Messaging;
using Saga.OpenOrders;
using Saga.State;
using Saga.Telemetry;

namespace Saga.Reservations;

/// <summary>
/// A TCC participant (try / confirm / cancel): reserves from shared documents for an order, and then releases or settles. Each has its effect at
/// most once as long as the order has marks or an archived reservation, whatever is delivered twice, late or out of order, and wherever a process dies.
/// </summary>
/// <remarks>
/// A line with "mutant: name" is broken on purpose by the mutation test of that name (tests/README.md).
/// Every decision is a mark in the shared document, written with the amounts that it moves by one compare-and-set. The reservation of an order is an
/// archive of its final marks: it is created after them, and a mark is pruned only after it. Every handler that may add a mark reads the shared
/// document first and the archive second, so that a mark that it does not see is either in the archive, or makes its compare-and-set fail.
/// </remarks>
public sealed class Participant<T> where T : class, IHasHoldings<T>
{
    /// <summary>
    /// With more marks than this in a document, those of orders that another or a restarted instance has archived are looked up and pruned. Far above
    /// the number of orders in progress.
    /// </summary>
    private const int PruneAbove = 256;

    /// <summary>Marks in a document, at most: some 400 kB, which each of its orders reads and writes.</summary>
    private const int MarksMax = 5_000;

    private readonly DocumentStore documents;
    private readonly ISidecar sidecar;
    private readonly Func<string, string> keyOf;
    private readonly OpenOrderLog openOrders;
    private readonly TimeProvider clock;
    private readonly ArchivedMarks archivedMarks = new();

    /// <summary>Ids of documents that are being pruned, each by one caller.</summary>
    private readonly ConcurrentDictionary<string, bool> pruning = new();

    /// <param name="keyOf">The state key of a shared document, by its id.</param>
    /// <param name="openOrders">Tracks reservations until they are archived.</param>
    internal Participant(DocumentStore documents, ISidecar sidecar, Func<string, string> keyOf, OpenOrderLog openOrders, TimeProvider clock) =>
        (this.documents, this.sidecar, this.keyOf, this.openOrders, this.clock) = (documents, sidecar, keyOf, openOrders, clock);

    /// <summary>
    /// Try: reserves the lines one by one; when one is refused, those before it are released before it answers. Where the document of a line is missing
    /// they are released only when the order fails: the document may be created before the next delivery.
    /// </summary>
    /// <param name="reject">Why a line cannot be taken from its document (null: there is no document). Null: it can.</param>
    /// <returns>The one reservation of the order, now or from an earlier delivery: reserved, rejected, settled, or released; <c>WasReserved</c> is false if order-failed came first.</returns>
    /// <exception cref="UnprocessableEventException">
    /// There are no lines, or a line has no valid id, a negative amount, or the id of another, so that they could not be released or settled.
    /// </exception>
    public async Task<Reservation> ReserveAsync(
        string orderId, ImmutableArray<ReservationLine> lines, Func<T?, ReservationLine, FailureReason?> reject, CancellationToken ct)
    {
        Check(orderId, lines);
        // It must be tracked before it is answered, and costs no time beside the lines.
        var tracked = TrackAsync(orderId, lines, ct); // mutant: not-tracked
        var held = lines;
        for (var at = 0; at < lines.Length; at++)
        {
            var (mark, archived, isMissing) = await ReserveLineAsync(orderId, lines[at], reject, ct);
            if (archived is null && mark is { State: MarkState.Reserved or MarkState.Settled })
            {
                held = held.SetItem(at, new(lines[at].ResourceId, mark.Amount));
                continue;
            }
            await tracked;
            if (archived is not null) return archived;
            // Nothing remembers this rejection: another delivery may find the document, and hold. What is held is released when the order fails.
            if (isMissing) return Reservation.ToRejection(orderId, lines, mark!.Rejection!, clock.GetUtcNow()); // mutant: missing-line-cancels
            return await CancelAsync(orderId, lines, mark?.Rejection, ct);
        }
        await tracked;
        return new(orderId, ReservationStatus.Reserved, true, held, null, clock.GetUtcNow(), SagaTracing.TraceId);
    }

    /// <summary>
    /// Cancel: releases what the order holds. A line that it does not hold gets a tombstone, so that a late order-created reserves nothing.
    /// </summary>
    /// <returns>The archived reservation: released, rejected, or a tombstone.</returns>
    /// <exception cref="UnprocessableEventException">
    /// The reservation is settled: a confirmed order cannot have failed. Or the lines are such as <see cref="ReserveAsync"/> does not take.
    /// </exception>
    public Task<Reservation> ReleaseAsync(string orderId, ImmutableArray<ReservationLine> lines, CancellationToken ct)
    {
        Check(orderId, lines);
        return CancelAsync(orderId, lines, null, ct);
    }

    /// <summary>Confirm: makes final what the order holds.</summary>
    /// <exception cref="UnprocessableEventException">
    /// There is no reservation that could be settled, or the lines are such as <see cref="ReserveAsync"/> does not take.
    /// </exception>
    public async Task<Reservation> SettleAsync(string orderId, ImmutableArray<ReservationLine> lines, CancellationToken ct)
    {
        Check(orderId, lines);
        // All lines or none: an event that names a line that the order does not hold must not settle the others.
        if (lines.Length > 1 && await FindUnsettledAsync(orderId, lines, ct) is { } other) return other;
        var settled = lines;
        for (var at = 0; at < lines.Length; at++)
        {
            var mark = await SettleLineAsync(orderId, lines[at], ct);
            if (mark is not { State: MarkState.Settled }) return await MustBeArchivedAsync(orderId, lines[at], mark, ct);
            settled = settled.SetItem(at, new(lines[at].ResourceId, mark.Amount));
        }
        var archived = await ArchiveAsync(new(orderId, ReservationStatus.Settled, true, settled, null, clock.GetUtcNow(), SagaTracing.TraceId), ct);
        await ReleaseStrayAsync(orderId, settled, archived, ct);
        return MustBeSettled(archived);
    }

    /// <summary>
    /// Finds again what attempts at an order-created that became a dead letter have left: it is released if Orders does not know the order, and else
    /// tracked until the order is final. Lines that <see cref="ReserveAsync"/> does not take have left nothing.
    /// </summary>
    public async Task RecoverDeadLetteredAsync(string orderId, ImmutableArray<ReservationLine> lines, OrderOutcomeQuery getOutcome, CancellationToken ct)
    {
        if (Reservation.FindProblem(lines) is not null) return;
        if (await getOutcome(orderId, ct) == OrderOutcome.Unknown) await ReleaseAsync(orderId, lines, ct);
        else await TrackAsync(orderId, lines, ct);
    }

    /// <summary>The reservation of an order: as it is archived, or as its marks say. Null: there is none.</summary>
    /// <param name="onlyOf">
    /// The id of a shared document that has to have a mark of the order, or the log of open orders is not searched: it is as long as many orders are open.
    /// Null: any.
    /// </param>
    public async Task<Reservation?> FindAsync(string orderId, CancellationToken ct, string? onlyOf = null)
    {
        if (await FindArchivedAsync(orderId, ct) is { } archived) return archived;
        if (onlyOf is not null && (await sidecar.ReadAsync<T>(keyOf(onlyOf), ct)).Value?.Holdings.MarkFor(orderId) is null)
        {
            return await FindArchivedAsync(orderId, ct);
        }
        return await openOrders.FindAsync(orderId, ct) is { } entry && await FindHeldAsync(OpenReservation.Parse(entry.Detail, orderId), ct) is { } held
            ? held
            // It may have been archived meanwhile.
            : await FindArchivedAsync(orderId, ct);
    }

    /// <summary>
    /// Releases lines of an order that its archived reservation does not have: an event with other lines, which Orders never published, has taken or
    /// settled them. An order has one reservation, and what is archived first stands.
    /// </summary>
    internal async Task ReleaseStrayAsync(string orderId, ImmutableArray<ReservationLine> lines, Reservation archived, CancellationToken ct)
    {
        foreach (var line in lines.Where(line => !archived.Covers(line.ResourceId)))
        {
            await documents.UpdateAsync<T, bool>(keyOf(line.ResourceId), shared => shared?.Holdings.MarkFor(orderId) switch
            {
                { State: MarkState.Reserved, Amount: var amount } => new(shared.With(shared.Holdings.Release(orderId, amount)), true),
                { State: MarkState.Settled, Amount: var amount } => new(shared.With(shared.Holdings.Return(orderId, amount)), true),
                _ => new(null, false),
            }, ct);
        }
    }

    /// <summary>A tracked reservation, if its marks say that all its lines are held or settled. Null: they do not.</summary>
    internal async Task<Reservation?> FindHeldAsync(OpenReservation open, CancellationToken ct)
    {
        var read = await sidecar.ReadManyAsync<T>([.. open.Lines.Select(line => keyOf(line.ResourceId))], ct);
        return read.All(shared => shared.Value?.Holdings.MarkFor(open.OrderId) is { State: MarkState.Reserved or MarkState.Settled })
            ? new(open.OrderId, ReservationStatus.Reserved, true, open.Lines, null, open.Since, open.TraceId)
            : null;
    }

    private static void Check(string orderId, ImmutableArray<ReservationLine> lines)
    {
        if (Reservation.FindProblem(lines) is { } problem) throw new UnprocessableEventException($"The lines of order {orderId} are wrong: {problem}.");
    }

    /// <summary>Null: it is not archived.</summary>
    private async Task<Reservation?> FindArchivedAsync(string orderId, CancellationToken ct) =>
        (await sidecar.ReadAsync<Reservation>(Reservation.KeyOf(orderId), ct)).Value;

    /// <returns>IsMissing: the line is refused because there is no document, and so no place for a mark.</returns>
    private async Task<(ReservationMark? Mark, Reservation? Archived, bool IsMissing)> ReserveLineAsync(
        string orderId, ReservationLine line, Func<T?, ReservationLine, FailureReason?> reject, CancellationToken ct)
    {
        var (marks, isMissing) = (0, false);
        var (reserved, found) = await UpdateAsync(orderId, line, (shared, archived) =>
        {
            isMissing = shared is null;
            if (archived is not null) return new(null, (null, archived)); // mutant: archive-not-checked
            if (shared?.Holdings.MarkFor(orderId) is { } mark) return new(null, (mark, null)); // mutant: mark-not-checked
            var reason = reject(shared, line);
            if (FindWrong(shared, line, reason) is { } wrong) throw new UnprocessableEventException($"Order {orderId} needs {line.Amount} of '{line.ResourceId}': {wrong}.");
            reason ??= shared!.Holdings.Marks.Count < MarksMax ? null : new("TOO_MANY_OPEN_ORDERS",
                $"'{line.ResourceId}' is in {MarksMax:N0} open orders, the most that it can be in at once.");
            if (shared is null) return new(null, (new(MarkState.Rejected, 0, reason), null));
            var next = reason is null ? shared.Holdings.Reserve(orderId, line.Amount) : shared.Holdings.Reject(orderId, reason);
            marks = next.Marks.Count;
            return new(shared.With(next), (next.MarkFor(orderId), null)); // mutant: rejection-not-marked
        }, ct);
        if (marks > PruneAbove) await PruneMarksAsync(line, ct);
        return (reserved, found, isMissing);
    }

    /// <summary>A decision that could be neither carried out nor answered.</summary>
    /// <returns>What is wrong, as the rest of a sentence. Null: nothing.</returns>
    private static string? FindWrong(T? shared, ReservationLine line, FailureReason? reason) =>
        reason is not null ? reason.FindProblem()
        : shared is null ? "there is no such document, and the decision does not reject it"
        : shared.Holdings.Available < line.Amount ? $"{shared.Holdings.Available} are available, and the decision does not reject it"
        : null;

    /// <param name="rejection">Why the order was rejected. Null: it failed, or a mark says why.</param>
    /// <returns>The archived reservation.</returns>
    private async Task<Reservation> CancelAsync(
        string orderId, ImmutableArray<ReservationLine> lines, FailureReason? rejection, CancellationToken ct)
    {
        var (released, wasReserved) = (lines, true);
        Reservation? archived = null;
        List<ReservationLine> missing = [];
        for (var at = 0; at < lines.Length; at++) // mutant: lines-not-released
        {
            // Every handler stops at the rejected line, so those behind it need no tombstone.
            var (mark, seen, isMissing) = await CancelLineAsync(orderId, lines[at], isTombstoned: rejection is null, ct);
            // With an archive and without a mark: an earlier delivery may have crashed before it looked again.
            if (isMissing || mark is null && seen is { Status: not ReservationStatus.Settled }) missing.Add(lines[at]);
            if (mark is { State: MarkState.Settled }) throw SaysFailed(orderId);
            archived ??= seen;
            rejection ??= mark?.Rejection;
            if (mark is { State: MarkState.Released }) released = released.SetItem(at, new(lines[at].ResourceId, mark.Amount));
            else wasReserved = false;
        }
        var ended = archived ?? await ArchiveAsync(
            new(orderId, rejection is null ? ReservationStatus.Released : ReservationStatus.Rejected, wasReserved, released, rejection,
                clock.GetUtcNow(), SagaTracing.TraceId), ct);
        foreach (var line in missing) await CancelMissingLineAsync(orderId, line, ct); // mutant: missing-line-not-cancelled
        return ended.Status == ReservationStatus.Settled ? throw SaysFailed(orderId) : ended;
    }

    /// <returns>IsMissing: there is no document, and so no place for a tombstone.</returns>
    private async Task<(ReservationMark? Mark, Reservation? Archived, bool IsMissing)> CancelLineAsync(
        string orderId, ReservationLine line, bool isTombstoned, CancellationToken ct)
    {
        var isMissing = false;
        var (cancelled, found) = await UpdateAsync(orderId, line, (shared, archived) =>
        {
            isMissing = shared is null;
            var mark = shared?.Holdings.MarkFor(orderId);
            var next = shared?.Holdings;
            if (mark is { State: MarkState.Reserved }) next = next!.Release(orderId, mark.Amount); // mutant: moved-twice
            else if (mark is null && archived is null && isTombstoned) next = next?.AddTombstone(orderId); // mutant: no-tombstone
            return new(ReferenceEquals(next, shared?.Holdings) ? null : shared!.With(next!), (next?.MarkFor(orderId), archived));
        }, ct);
        return (cancelled, found, isMissing);
    }

    /// <summary>
    /// Cancels a line whose document was missing, once the reservation is archived: the document may have been created since, and a handler that has
    /// read it, but not yet the archive, has reserved from it or is about to. The mark makes its compare-and-set fail. It is pruned like any other.
    /// </summary>
    private async Task CancelMissingLineAsync(string orderId, ReservationLine line, CancellationToken ct)
    {
        await documents.UpdateAsync<T, bool>(keyOf(line.ResourceId), shared => (shared, shared?.Holdings.MarkFor(orderId)) switch
        {
            ({ } created, null) => new(created.With(created.Holdings.AddTombstone(orderId)), true),
            ({ } created, { State: MarkState.Reserved, Amount: var amount }) => new(created.With(created.Holdings.Release(orderId, amount)), true),
            _ => new(null, false),
        }, ct);
        archivedMarks.Add(keyOf(line.ResourceId), orderId);
    }

    /// <returns>The archived reservation of an order that holds not all of the lines. Null: it holds them, or has settled them.</returns>
    private async Task<Reservation?> FindUnsettledAsync(string orderId, ImmutableArray<ReservationLine> lines, CancellationToken ct)
    {
        var read = await documents.ReadAndCacheAsync<T>([.. lines.Select(line => keyOf(line.ResourceId))], ct);
        foreach (var (line, shared) in lines.Zip(read))
        {
            var mark = shared?.Holdings.MarkFor(orderId);
            if (mark is not { State: MarkState.Reserved or MarkState.Settled }) return await MustBeArchivedAsync(orderId, line, mark, ct);
        }
        return null;
    }

    /// <exception cref="UnprocessableEventException">The line is not settled, and the order is not archived as settled either.</exception>
    private async Task<Reservation> MustBeArchivedAsync(string orderId, ReservationLine line, ReservationMark? mark, CancellationToken ct) =>
        mark is null && await FindArchivedAsync(orderId, ct) is { } archived ? MustBeSettled(archived) : throw new UnprocessableEventException(
            $"order-confirmed names order {orderId}, but its reservation of '{line.ResourceId}' is {mark?.State.ToString() ?? "absent"}.");

    /// <returns>Null: the order has no mark.</returns>
    private Task<ReservationMark?> SettleLineAsync(string orderId, ReservationLine line, CancellationToken ct)
    {
        var key = keyOf(line.ResourceId);
        return documents.UpdateAsync<T, object, ReservationMark?>(key, null, (shared, _) =>
        {
            var mark = shared?.Holdings.MarkFor(orderId); // mutant: settled-without-a-mark
            if (mark is not { State: MarkState.Reserved }) return new(null, mark);
            var next = shared!.Holdings.Settle(orderId, mark.Amount);
            return new(shared.With(next), next.MarkFor(orderId));
        }, Prune(key), ct);
    }

    /// <summary>Archives a reservation, from now on the only record of it. Its marks are pruned by the next writes of their documents.</summary>
    /// <returns>The one that is archived: this one, or that of another handler.</returns>
    private async Task<Reservation> ArchiveAsync(Reservation final, CancellationToken ct)
    {
        // With an empty ETag the write fails when the document exists.
        var isFirst = await sidecar.TrySaveAsync(new(Reservation.KeyOf(final.OrderId), null, ""), final, Retention.OfFinished, ct); // mutant: pruned-before-archived
        var archived = isFirst ? final : await FindArchivedAsync(final.OrderId, ct)
            ?? throw new DaprException($"{Reservation.KeyOf(final.OrderId)} could not be created, and does not exist.");
        foreach (var line in archived.Lines) archivedMarks.Add(keyOf(line.ResourceId), archived.OrderId);
        return archived;
    }

    /// <summary>Prunes the marks of orders that other instances have archived, or this one before it restarted.</summary>
    private async Task PruneMarksAsync(ReservationLine line, CancellationToken ct)
    {
        if (!pruning.TryAdd(line.ResourceId, true)) return;
        try
        {
            var key = keyOf(line.ResourceId);
            if ((await sidecar.ReadAsync<T>(key, ct)).Value is not { } shared) return;
            string[] final = [.. shared.Holdings.Marks.Where(mark => mark.Value.IsFinal).Select(mark => mark.Key)];
            var reads = await sidecar.ReadEachAsync<Reservation>([.. final.Select(Reservation.KeyOf)], ct);
            foreach (var (orderId, read) in final.Zip(reads))
            {
                // The mark of an unreadable reservation stays, and one that the reservation does not have.
                if (read.IsCompletedSuccessfully && (await read).Value?.Covers(line.ResourceId) == true) archivedMarks.Add(key, orderId);
            }
            await documents.UpdateAsync<T, object, bool>(key, null, (unchanged, _) => new(unchanged, true), Prune(key), ct);
        }
        finally
        {
            pruning.TryRemove(line.ResourceId, out _);
        }
    }

    private Task<(ReservationMark? Mark, Reservation? Archived)> UpdateAsync(
        string orderId, ReservationLine line, Func<T?, Reservation?, Update<T, (ReservationMark? Mark, Reservation? Archived)>> decide, CancellationToken ct)
    {
        var key = keyOf(line.ResourceId);
        return documents.UpdateAsync<T, Reservation, (ReservationMark?, Reservation?)>(
            key, Reservation.KeyOf(orderId), (shared, archived) => decide(shared, archived.Value), Prune(key), ct);
    }

    private Func<T, T> Prune(string key) => shared => shared.With(shared.Holdings.WithoutMarks(archivedMarks.Of(key, shared.Holdings.Marks)));

    private Task TrackAsync(string orderId, ImmutableArray<ReservationLine> lines, CancellationToken ct) =>
        openOrders.AddAsync(orderId, new OpenReservation(orderId, lines, clock.GetUtcNow(), SagaTracing.TraceId).ToDetail(), ct);

    private static Reservation MustBeSettled(Reservation archived) => archived.Status == ReservationStatus.Settled ? archived
        : throw new UnprocessableEventException($"order-confirmed names order {archived.OrderId}, but its reservation is {archived.Status}.");

    private static UnprocessableEventException SaysFailed(string orderId) =>
        new($"order-failed names order {orderId}, but its reservation is Settled.");
}
