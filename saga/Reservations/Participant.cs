using System.Collections.Concurrent;
using System.Collections.Immutable;
using Saga.Commands;
using Saga.Dapr;
using Saga.Messaging;
using Saga.State;
using Saga.Telemetry;

namespace Saga.Reservations;

/// <summary>
/// A TCC participant (try / confirm / cancel): reserves from shared documents for an order, and then releases or settles. Each has its effect at
/// most once while the reservation is kept, whatever is delivered twice, late or out of order, and wherever a process dies.
/// </summary>
/// <remarks>
/// A line with "mutant: name" is broken on purpose by the mutation test of that name (tests/README.md).
/// Two documents cannot be written in one transaction. The reservation decides; the mark in the shared document is a write intent. Every handler
/// reads the shared document first and the reservation second. After a rejection or a tombstone the shared documents are written once more (a
/// fence): a line that is still held for the order is released, and a handler that read before meets a newer ETag and starts over.
/// </remarks>
/// <param name="keyOf">The state key of a shared document, by its id.</param>
/// <param name="trackOpenReservation">Registers an open reservation for the sweep, by order id, until it is released or settled.</param>
public sealed class Participant<T>(
    DocumentStore documents, ISidecar sidecar, Func<string, string> keyOf, Func<string, CancellationToken, Task> trackOpenReservation,
    TimeProvider clock, ConflictBackoff backoff)
    where T : class, IHasHoldings<T>
{
    /// <summary>
    /// With more marks than this in a document, the reservations of all of them are read and the resolved marks pruned: by itself a process prunes
    /// only marks that it has resolved, and those of other or restarted instances would pile up. Far above the number of orders in progress.
    /// </summary>
    private const int MarksMax = 256;

    private readonly ResolvedMarks resolvedMarks = new();

    /// <summary>Reservations that this process has made, so that <see cref="SettleAsync"/> knows their lines without a read.</summary>
    private readonly VersionCache made = new(suspendAfterMiss: 0, isCounter: true);

    /// <summary>Ids of documents that are being pruned, each by one caller.</summary>
    private readonly ConcurrentDictionary<string, bool> pruning = new();

    /// <summary>Try: reserves all lines for the order, or none.</summary>
    /// <param name="refuse">Why a line cannot be taken from its document (null: there is no document). Null: it can.</param>
    /// <returns>The one reservation of the order, now or from an earlier delivery: reserved, rejected, or released before it was made.</returns>
    /// <exception cref="UnprocessableEventException">There are no lines, so there would be nothing to release or settle.</exception>
    public async Task<Reservation> ReserveAsync(
        string orderId, ImmutableArray<ReservationLine> lines, Func<T?, ReservationLine, FailureReason?> refuse, CancellationToken ct)
    {
        if (lines.IsDefaultOrEmpty) throw new UnprocessableEventException($"Order {orderId} asks for nothing.");
        for (var attempt = 0; ; await backoff.DelayAsync(++attempt, ct))
        {
            var taken = LineResult.Taken;
            foreach (var line in lines)
            {
                taken = await ReserveLineAsync(orderId, line, refuse, ct);
                if (taken != LineResult.Taken) break;
            }

            if (!taken.IsOvertaken)
            {
                var isReserved = taken.Failure is null;
                var reservation = new Reservation(
                    orderId, isReserved ? ReservationStatus.Reserved : ReservationStatus.Rejected, isReserved, lines,
                    taken.Failure, clock.GetUtcNow(), SagaTracing.TraceId);
                // Tracked before the answer, not before the lines are taken: an order without an answer fails at its deadline, and its
                // order-failed releases them.
                var tracked = isReserved ? trackOpenReservation(orderId, ct) : Task.CompletedTask; // mutant: not-tracked
                if (await TrySaveAsync(Missing(orderId), reservation, ct)) // mutant: rejection-not-stored
                {
                    await tracked;
                    if (!isReserved) await FenceAsync(reservation, ct);
                    else
                    {
                        MarkResolved(reservation, ReservationMark.Reserved);
                        made.OnWritten(Missing(orderId), reservation);
                    }
                    return reservation;
                }
            }
            if ((await ReadReservationAsync(orderId, ct)).Value is { } earlier)
            {
                if (!earlier.WasReserved) await FenceAsync(earlier, ct);
                if (earlier.Status == ReservationStatus.Reserved) await trackOpenReservation(orderId, ct);
                return earlier;
            }
        }
    }

    /// <summary>
    /// Cancel: releases what the order reserved. An order without a reservation gets a tombstone, so that a late order-created reserves
    /// nothing.
    /// </summary>
    /// <returns>
    /// The released reservation; or a rejected one or a tombstone, under which nothing was reserved: it is fenced again, which also releases a line
    /// that a crashed or suspended handler took for it.
    /// </returns>
    /// <exception cref="UnprocessableEventException">The reservation is settled: a confirmed order cannot have failed.</exception>
    public async Task<Reservation> ReleaseAsync(string orderId, ImmutableArray<ReservationLine> lines, CancellationToken ct)
    {
        for (var attempt = 0; ; await backoff.DelayAsync(++attempt, ct))
        {
            var record = await ReadReservationAsync(orderId, ct);
            switch (record.Value)
            {
                case null:
                    var tombstone = new Reservation(
                        orderId, ReservationStatus.Released, WasReserved: false, lines, null, clock.GetUtcNow(), SagaTracing.TraceId);
                    if (!await TrySaveAsync(record, tombstone, ct)) continue; // mutant: no-tombstone
                    await FenceAsync(tombstone, ct);
                    return tombstone;

                case { WasReserved: false } neverReserved:
                    await FenceAsync(neverReserved, ct);
                    return neverReserved;

                case { Status: ReservationStatus.Released } released:
                    return released;

                case { Status: ReservationStatus.Reserved } reserved:
                    if (await MoveHoldingsAsync(orderId, reserved.Lines, ReservationMark.Released, ct) is not { } moved) continue;
                    if (await CompleteAsync(moved, ReservationStatus.Released, ReservationMark.Released, ct) is { } done) return done;
                    continue;

                // Rejected with WasReserved is in a corrupt document only.
                case { Status: ReservationStatus.Settled or ReservationStatus.Rejected } contradicting:
                    throw new UnprocessableEventException($"Order {orderId} is said to have failed, but its reservation is {contradicting.Status}.");
            }
        }
    }

    /// <summary>
    /// Finds again what attempts at an order-created that became a dead letter have left: a reservation is tracked, and lines without a reservation
    /// are released if Orders does not know the order. Any other order fails at its deadline, and its order-failed releases them.
    /// </summary>
    public async Task AbandonAsync(string orderId, ImmutableArray<ReservationLine> lines, OrderOutcomeQuery getOutcome, CancellationToken ct)
    {
        switch (await FindAsync(orderId, ct))
        {
            case { Status: ReservationStatus.Reserved }:
                await trackOpenReservation(orderId, ct);
                break;
            case null when await getOutcome(orderId, ct) == OrderOutcome.Unknown:
                await ReleaseAsync(orderId, lines, ct);
                break;
        }
    }

    /// <summary>Confirm: makes final what the order reserved.</summary>
    /// <exception cref="UnprocessableEventException">There is no reservation that could be settled.</exception>
    public async Task<Reservation> SettleAsync(string orderId, CancellationToken ct)
    {
        var isMade = made.TryGet<Reservation>(Reservation.KeyOf(orderId), out var record);
        for (var attempt = 0; ; await backoff.DelayAsync(++attempt, ct))
        {
            var madeHere = isMade ? record : default(Versioned<Reservation>?);
            if (!isMade) record = await ReadReservationAsync(orderId, ct);
            isMade = false;
            switch (record.Value)
            {
                case { Status: ReservationStatus.Settled } settled:
                    return settled;

                case { Status: ReservationStatus.Reserved } reserved:
                    if (await MoveHoldingsAsync(orderId, reserved.Lines, ReservationMark.Settled, ct, madeHere) is not { } moved) continue;
                    if (await CompleteAsync(moved, ReservationStatus.Settled, ReservationMark.Settled, ct) is { } done) return done;
                    continue;

                case null or { Status: ReservationStatus.Released or ReservationStatus.Rejected }:
                    throw new UnprocessableEventException(
                        $"Order {orderId} is said to be confirmed, but its reservation is {record.Value?.Status.ToString() ?? "absent"}.");
            }
        }
    }

    /// <summary>The reservation of an order. Null: there is none.</summary>
    public async Task<Reservation?> FindAsync(string orderId, CancellationToken ct) => (await ReadReservationAsync(orderId, ct)).Value;

    /// <summary>What became of one line.</summary>
    /// <param name="Failure">Why it cannot be taken. Null: it is taken, now or by an earlier delivery.</param>
    /// <param name="IsOvertaken">The order has a reservation by now, and that decides.</param>
    private readonly record struct LineResult(FailureReason? Failure, bool IsOvertaken)
    {
        public static readonly LineResult Taken = new(null, false), Overtaken = new(null, true);

        public static LineResult Failed(FailureReason reason) => new(reason, false);
    }

    private async Task<LineResult> ReserveLineAsync(
        string orderId, ReservationLine line, Func<T?, ReservationLine, FailureReason?> refuse, CancellationToken ct)
    {
        var marks = 0;
        var result = await UpdateAsync<LineResult>(line, Reservation.KeyOf(orderId), (shared, reservation) =>
        {
            if (reservation.Value is not null) return WriteNothing(LineResult.Overtaken); // mutant: reservation-not-checked
            switch (shared?.Holdings.MarkFor(orderId)) // mutant: mark-not-checked
            {
                case ReservationMark.Reserved:
                    return WriteNothing(LineResult.Taken);
                case ReservationMark.Released or ReservationMark.Settled:
                    return WriteNothing(LineResult.Failed(new("ORDER_IS_OVER", $"Order {orderId} ended so long ago that its record is gone.")));
                case null:
                    break;
            }
            if (refuse(shared, line) is { } reason) return WriteNothing(LineResult.Failed(reason));
            var holdings = shared!.Holdings.Reserve(orderId, line.Amount);
            marks = holdings.Marks.Count;
            return Write(shared.With(holdings), LineResult.Taken);
        }, ct);
        if (marks > MarksMax && pruning.TryAdd(line.ResourceId, true))
        {
            try
            {
                await PruneMarksAsync(line, ct);
            }
            finally
            {
                pruning.TryRemove(line.ResourceId, out _);
            }
        }
        return result;
    }

    /// <summary>Moves what is held to available or consumed, line by line, and sets the marks to <paramref name="to"/>.</summary>
    /// <param name="madeHere">
    /// The reservation as this process has made it, which is not read again: it is still Reserved while a line has the mark Reserved, since every
    /// handler that ends a reservation moves its marks first. Null: it is read with each line.
    /// </param>
    /// <returns>
    /// The reservation as last read, still Reserved: the version that <see cref="CompleteAsync"/> replaces. Null: it is no longer Reserved, or
    /// perhaps not the one made here.
    /// </returns>
    private async Task<Versioned<Reservation>?> MoveHoldingsAsync(
        string orderId, ImmutableArray<ReservationLine> lines, ReservationMark to, CancellationToken ct, Versioned<Reservation>? madeHere = null)
    {
        Versioned<Reservation>? seen = null;
        foreach (var line in lines)
        {
            seen = await UpdateAsync<Versioned<Reservation>?>(line, madeHere is null ? Reservation.KeyOf(orderId) : null, (shared, read) =>
            {
                if (madeHere is not null && shared?.Holdings.MarkFor(orderId) != ReservationMark.Reserved) return new(null, null);
                var reservation = madeHere ?? read;
                if (reservation.Value is not { Status: ReservationStatus.Reserved }) return new(null, null);
                if (shared is null) throw new CorruptDocumentException($"{keyOf(line.ResourceId)} is gone, although order {orderId} holds something of it.");
                if (shared.Holdings.MarkFor(orderId) == to) return new(null, reservation); // mutant: moved-twice
                return new(shared.With(to switch
                {
                    ReservationMark.Released => shared.Holdings.Release(orderId, line.Amount),
                    ReservationMark.Settled => shared.Holdings.Settle(orderId, line.Amount),
                    ReservationMark.Reserved => throw new ArgumentOutOfRangeException(nameof(to)),
                }), reservation);
            }, ct);
            if (seen is null) return null;
        }
        return seen;
    }

    /// <summary>Null: another handler changed the reservation first.</summary>
    private async Task<Reservation?> CompleteAsync(Versioned<Reservation> record, ReservationStatus status, ReservationMark mark, CancellationToken ct)
    {
        var reservation = record.Value! with { Status = status, Changed = clock.GetUtcNow() };
        if (!await TrySaveAsync(record, reservation, ct)) return null;
        made.Remove(record.Key);
        MarkResolved(reservation, mark);
        return reservation;
    }

    /// <summary>
    /// Releases lines that were taken without a reservation, and rewrites the other documents unchanged: whatever handler has read them
    /// before and would still take the line meets a conflict, reads again, and sees the reservation.
    /// </summary>
    private async Task FenceAsync(Reservation neverReserved, CancellationToken ct)
    {
        foreach (var line in neverReserved.Lines)
        {
            await UpdateAsync<bool>(line, null, (shared, _) => Write(
                shared?.Holdings.MarkFor(neverReserved.OrderId) == ReservationMark.Reserved
                    ? shared.With(shared.Holdings.Release(neverReserved.OrderId, line.Amount))
                    : shared, true), ct); // mutant: no-fence
        }
        MarkResolved(neverReserved, ReservationMark.Released);
    }

    /// <summary>Resolves marks that other instances left, or this one before it restarted: removes those that agree with their reservation.</summary>
    private async Task PruneMarksAsync(ReservationLine line, CancellationToken ct)
    {
        if ((await sidecar.ReadAsync<T>(keyOf(line.ResourceId), ct)).Value is not { } shared) return;
        var reservations = await sidecar.ReadEachAsync<Reservation>([.. shared.Holdings.Marks.Keys.Select(Reservation.KeyOf)], ct);
        foreach (var ((orderId, mark), reservation) in shared.Holdings.Marks.Zip(reservations))
        {
            // The mark of an unreadable reservation stays.
            if (!reservation.IsCompletedSuccessfully) continue;
            if ((await reservation).Value?.IsConsistentWith(mark) == true) resolvedMarks.Add(keyOf(line.ResourceId), orderId, mark);
        }
        await UpdateAsync<bool>(line, null, (unchanged, _) => Write(unchanged, true), ct);
    }

    private static Update<T, TResult> WriteNothing<TResult>(TResult result) => new(null, result);

    /// <param name="next">Null, because there is no document: nothing is written, and there is nothing to fence.</param>
    private static Update<T, TResult> Write<TResult>(T? next, TResult result) => new(next, result);

    /// <param name="guard">The key of the reservation that the decision depends on. Null: it depends on none.</param>
    private Task<TResult> UpdateAsync<TResult>(
        ReservationLine line, string? guard, Func<T?, Versioned<Reservation>, Update<T, TResult>> decide, CancellationToken ct)
    {
        var key = keyOf(line.ResourceId);
        return documents.UpdateAsync(key, guard, decide, shared => shared.With(shared.Holdings.WithoutMarks(resolvedMarks.Of(key, shared.Holdings.Marks))), ct);
    }

    /// <summary>For a create: with an empty ETag a write fails when the document exists.</summary>
    private static Versioned<Reservation> Missing(string orderId) => new(Reservation.KeyOf(orderId), null, "");

    private async Task<Versioned<Reservation>> ReadReservationAsync(string orderId, CancellationToken ct)
    {
        var read = await sidecar.ReadAsync<Reservation>(Reservation.KeyOf(orderId), ct);
        read.Value?.MustBeValid(orderId);
        return read;
    }

    private Task<bool> TrySaveAsync(Versioned<Reservation> record, Reservation reservation, CancellationToken ct) =>
        sidecar.TrySaveAsync(record, reservation, reservation.Status == ReservationStatus.Reserved ? null : Retention.OfFinished, ct);

    private void MarkResolved(Reservation reservation, ReservationMark mark)
    {
        foreach (var line in reservation.Lines) resolvedMarks.Add(keyOf(line.ResourceId), reservation.OrderId, mark);
    }
}
