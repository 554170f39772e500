using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Saga;

/// <summary>
/// Takes from shared documents for an order, gives back, and settles: each exactly once, whatever is delivered twice,
/// late, in any order, or dies half-way.
/// </summary>
/// <remarks>
/// Two documents cannot be written together, so an order's claim and the mark in the shared document vouch for each other:
/// the document is always read before the claim is checked, and a refused claim writes the document once more, unchanged.
/// Both are fences: whoever slept in between finds another version and starts over.
/// </remarks>
/// <param name="keyOf">The state key of a shared document, from its id.</param>
/// <param name="trackOpenReservation">Has what an order holds looked after until it is given back or settled.</param>
public sealed class Participant<T>(
    DocumentStore documents, ISidecar sidecar, Func<string, string> keyOf, Func<string, CancellationToken, Task> trackOpenReservation, TimeProvider clock, ConflictBackoff backoff)
    where T : class, IHasHoldings<T>
{
    /// <summary>
    /// More marks than this in one document, and the claims of those that other instances left are looked up. Orders that are just taking
    /// have one too: as many as share a few writes.
    /// </summary>
    private const int MarksMax = 256;

    private readonly ResolvedMarks resolvedMarks = new();

    /// <summary>Documents whose marks are being looked up: once is enough.</summary>
    private readonly ConcurrentDictionary<string, bool> pruning = new();

    /// <summary>The claims that this process has made and not yet ended.</summary>
    private readonly VersionCache locallyCreated = new(suspendAfterMiss: 1_000);

    /// <summary>Takes all lines for the order, or none.</summary>
    /// <param name="refuse">Why this line cannot be taken from the document (null: there is none), or null when it can.</param>
    public async Task<Reservation> ReserveAsync(string orderId, ImmutableArray<ReservationLine> lines, Func<T?, ReservationLine, FailureReason?> refuse, CancellationToken ct)
    {
        // A claim without lines could be neither given back nor settled.
        if (lines.IsDefaultOrEmpty) throw new UnprocessableEventException($"Order {orderId} asks for nothing.");
        for (var attempt = 0; ; await backoff.DelayAsync(++attempt, ct))
        {
            FailureReason? refusal = null;
            var overtaken = false;
            foreach (var line in lines)
            {
                (refusal, overtaken) = await ReserveLineAsync(orderId, line, refuse, ct);
                if (refusal is not null || overtaken) break;
            }

            if (!overtaken)
            {
                var reservation = new Reservation(
                    orderId, refusal is null ? ReservationStatus.Reserved : ReservationStatus.Rejected, refusal is null, lines, refusal, clock.GetUtcNow(), SagaTracing.TraceId);
                // Before it is answered, not before it is held: an order that nobody has told of success fails, and what it holds is given back.
                var tracked = refusal is null ? trackOpenReservation(orderId, ct) : Task.CompletedTask;
                if (await TrySaveAsync(new(Reservation.KeyOf(orderId), null, ""), reservation, ct))
                {
                    await tracked;
                    if (refusal is not null) await FenceAsync(reservation, ct);
                    else
                    {
                        MarkResolved(reservation, ReservationMark.Reserved);
                        locallyCreated.OnWritten(new(Reservation.KeyOf(orderId), null, ""), reservation);
                    }
                    return reservation;
                }
            }
            if ((await ReadReservationAsync(orderId, ct)).Value is { } said)
            {
                if (!said.WasReserved) await FenceAsync(said, ct);
                if (said.Status == ReservationStatus.Reserved) await trackOpenReservation(orderId, ct);
                return said;
            }
        }
    }

    /// <summary>Gives back what the order took; an order that has taken nothing yet will never take anything.</summary>
    public async Task<Reservation> ReleaseAsync(string orderId, ImmutableArray<ReservationLine> lines, CancellationToken ct)
    {
        for (var attempt = 0; ; await backoff.DelayAsync(++attempt, ct))
        {
            var record = await ReadReservationAsync(orderId, ct);
            switch (record.Value)
            {
                case null:
                    var never = new Reservation(orderId, ReservationStatus.Released, WasReserved: false, lines, null, clock.GetUtcNow(), SagaTracing.TraceId);
                    if (!await TrySaveAsync(record, never, ct)) continue;
                    await FenceAsync(never, ct);
                    return never;

                case { WasReserved: false } said:
                    await FenceAsync(said, ct);
                    return said;

                case { Status: ReservationStatus.Released } said:
                    return said;

                case { Status: ReservationStatus.Reserved } held:
                    if (await MoveHoldingsAsync(orderId, held.Lines, ReservationMark.Released, ct) is not { } moved) continue;
                    if (await CompleteAsync(moved, ReservationStatus.Released, ReservationMark.Released, ct) is { } given) return given;
                    continue;

                case { Status: ReservationStatus.Settled or ReservationStatus.Rejected } said:
                    throw new UnprocessableEventException($"Order {orderId} is said to have failed, but its claim is {said.Status}.");
            }
        }
    }

    /// <summary>Makes final what the order took.</summary>
    public async Task<Reservation> SettleAsync(string orderId, CancellationToken ct)
    {
        if (locallyCreated.TryGet<Reservation>(Reservation.KeyOf(orderId), out var made) && await SettleLocallyCreatedAsync(made, ct) is { } final) return final;

        for (var attempt = 0; ; await backoff.DelayAsync(++attempt, ct))
        {
            var record = await ReadReservationAsync(orderId, ct);
            switch (record.Value)
            {
                case { Status: ReservationStatus.Settled } said:
                    return said;

                case { Status: ReservationStatus.Reserved } held:
                    if (await MoveHoldingsAsync(orderId, held.Lines, ReservationMark.Settled, ct) is not { } moved) continue;
                    if (await CompleteAsync(moved, ReservationStatus.Settled, ReservationMark.Settled, ct) is { } settled) return settled;
                    continue;

                case null or { Status: ReservationStatus.Released or ReservationStatus.Rejected }:
                    throw new UnprocessableEventException(
                        $"Order {orderId} is said to be confirmed, but its claim is {record.Value?.Status.ToString() ?? "absent"}.");
            }
        }
    }

    /// <summary>What this participant has said about an order; null: nothing.</summary>
    public async Task<Reservation?> FindAsync(string orderId, CancellationToken ct) => (await ReadReservationAsync(orderId, ct)).Value;

    /// <returns>Neither: the line is taken. Overtaken: the order has a claim by now, which decides.</returns>
    private async Task<(FailureReason? FailureReason, bool Overtaken)> ReserveLineAsync(
        string orderId, ReservationLine line, Func<T?, ReservationLine, FailureReason?> refuse, CancellationToken ct)
    {
        var (refusal, overtaken, marks) = await UpdateAsync<(FailureReason?, bool, int)>(line, Reservation.KeyOf(orderId), (shared, reservation) =>
        {
            if (reservation.Value is not null) return new(null, (null, true, 0));
            switch (shared?.Holdings.MarkFor(orderId))
            {
                case ReservationMark.Reserved:
                    return new(null, (null, false, 0));
                case ReservationMark.Released or ReservationMark.Settled:
                    return new(null, (new("ORDER_IS_OVER", $"Order {orderId} ended so long ago that its record is gone."), false, 0));
                case null:
                    break;
            }
            if (refuse(shared, line) is { } refused) return new(null, (refused, false, 0));
            var holdings = shared!.Holdings.Reserve(orderId, line.Amount);
            return new(shared.With(holdings), (null, false, holdings.Marks.Count));
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
        return (refusal, overtaken);
    }

    /// <summary>Moves what is held, line by line, to where <paramref name="to"/> says.</summary>
    /// <returns>The claim as it was meanwhile; null: it is not Held any more.</returns>
    private async Task<Versioned<Reservation>?> MoveHoldingsAsync(string orderId, ImmutableArray<ReservationLine> lines, ReservationMark to, CancellationToken ct)
    {
        Versioned<Reservation>? seen = null;
        foreach (var line in lines)
        {
            seen = await UpdateAsync<Versioned<Reservation>?>(line, Reservation.KeyOf(orderId), (shared, reservation) =>
            {
                if (reservation.Value is not { Status: ReservationStatus.Reserved }) return new(null, null);
                if (shared is null) throw new CorruptDocumentException($"{keyOf(line.ResourceId)} is gone, although order {orderId} holds something of it.");
                if (shared.Holdings.MarkFor(orderId) == to) return new(null, reservation);
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

    /// <summary>
    /// Makes final what this process took, without a look at the claim: it stays as it was made for as long as the order's mark is Held in
    /// one of the documents, since whoever ends it moves all marks before.
    /// </summary>
    /// <returns>Null: something is not as this process left it.</returns>
    private async Task<Reservation?> SettleLocallyCreatedAsync(Versioned<Reservation> made, CancellationToken ct)
    {
        locallyCreated.Remove(made.Key);
        var orderId = made.Value!.OrderId;
        foreach (var line in made.Value.Lines)
        {
            var settled = await UpdateAsync<bool>(line, null, (shared, _) => shared?.Holdings.MarkFor(orderId) == ReservationMark.Reserved
                ? new(shared.With(shared.Holdings.Settle(orderId, line.Amount)), true)
                : new(null, false), ct);
            if (!settled) return null;
        }
        var final = await CompleteAsync(made, ReservationStatus.Settled, ReservationMark.Settled, ct);
        if (final is null) locallyCreated.Suspend();
        return final;
    }

    /// <summary>Null: somebody else changed the claim first.</summary>
    private async Task<Reservation?> CompleteAsync(Versioned<Reservation> record, ReservationStatus status, ReservationMark mark, CancellationToken ct)
    {
        var reservation = record.Value! with { Status = status, Changed = clock.GetUtcNow() };
        if (!await TrySaveAsync(record, reservation, ct)) return null;
        locallyCreated.Remove(record.Key);
        MarkResolved(reservation, mark);
        return reservation;
    }

    /// <summary>Gives back whatever is held without a claim, and fences everybody who has read the documents before.</summary>
    private async Task FenceAsync(Reservation never, CancellationToken ct)
    {
        foreach (var line in never.Lines)
        {
            await UpdateAsync<bool>(line, null, (shared, _) => new(
                shared?.Holdings.MarkFor(never.OrderId) == ReservationMark.Reserved ? shared.With(shared.Holdings.Release(never.OrderId, line.Amount)) : shared, true), ct);
        }
        MarkResolved(never, ReservationMark.Released);
    }

    /// <summary>Looks up the claims behind the marks that other instances, or this one before it restarted, have left, and drops what it can.</summary>
    private async Task PruneMarksAsync(ReservationLine line, CancellationToken ct)
    {
        if ((await sidecar.ReadAsync<T>(keyOf(line.ResourceId), ct)).Value is not { } shared) return;
        var reservations = await sidecar.ReadEachAsync<Reservation>([.. shared.Holdings.Marks.Keys.Select(Reservation.KeyOf)], ct);
        foreach (var ((orderId, mark), reservation) in shared.Holdings.Marks.Zip(reservations))
        {
            // The mark of one that cannot be read stays.
            if (reservation.IsCompletedSuccessfully && reservation.Result.Value?.IsConsistentWith(mark) == true) resolvedMarks.Add(keyOf(line.ResourceId), orderId, mark);
        }
        await UpdateAsync<bool>(line, null, (kept, _) => new(kept, true), ct);
    }

    private Task<TResult> UpdateAsync<TResult>(ReservationLine line, string? witness, Func<T?, Versioned<Reservation>, Update<T, TResult>> decide, CancellationToken ct)
    {
        var key = keyOf(line.ResourceId);
        return documents.UpdateAsync(key, witness, decide, shared => shared.With(shared.Holdings.WithoutMarks(resolvedMarks.Of(key, shared.Holdings.Marks))), ct);
    }

    private async Task<Versioned<Reservation>> ReadReservationAsync(string orderId, CancellationToken ct)
    {
        var read = await sidecar.ReadAsync<Reservation>(Reservation.KeyOf(orderId), ct);
        read.Value?.MustBeSound(orderId);
        return read;
    }

    private Task<bool> TrySaveAsync(Versioned<Reservation> record, Reservation reservation, CancellationToken ct) =>
        sidecar.TrySaveAsync(record, reservation, reservation.Status == ReservationStatus.Reserved ? null : Retention.OfFinished, ct);

    private void MarkResolved(Reservation reservation, ReservationMark mark)
    {
        foreach (var line in reservation.Lines) resolvedMarks.Add(keyOf(line.ResourceId), reservation.OrderId, mark);
    }
}
