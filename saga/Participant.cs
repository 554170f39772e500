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
/// <param name="look">Has what an order holds looked after until it is given back or settled.</param>
public sealed class Participant<T>(
    Documents documents, ISidecar sidecar, Func<string, string> keyOf, Func<string, CancellationToken, Task> look, TimeProvider clock, Patience patience)
    where T : class, IShared<T>
{
    /// <summary>
    /// More marks than this in one document, and the claims of those that other instances left are looked up. Orders that are just taking
    /// have one too: as many as share a few writes.
    /// </summary>
    private const int MarksMax = 256;

    private readonly Agreements agreements = new();

    /// <summary>Documents whose marks are being looked up: once is enough.</summary>
    private readonly ConcurrentDictionary<string, bool> tidying = new();

    /// <summary>The claims that this process has made and not yet ended.</summary>
    private readonly Recent own = new(readsAfterMistake: 1_000);

    /// <summary>Takes all lines for the order, or none.</summary>
    /// <param name="refuse">Why this line cannot be taken from the document (null: there is none), or null when it can.</param>
    public async Task<Claim> TakeAsync(string orderId, ImmutableArray<ClaimLine> lines, Func<T?, ClaimLine, Refusal?> refuse, CancellationToken stop)
    {
        // A claim without lines could be neither given back nor settled.
        if (lines.IsDefaultOrEmpty) throw new UnprocessableEventException($"Order {orderId} asks for nothing.");
        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            Refusal? refusal = null;
            var overtaken = false;
            foreach (var line in lines)
            {
                (refusal, overtaken) = await TakeLineAsync(orderId, line, refuse, stop);
                if (refusal is not null || overtaken) break;
            }

            if (!overtaken)
            {
                var claim = new Claim(
                    orderId, refusal is null ? ClaimStatus.Held : ClaimStatus.Refused, refusal is null, lines, refusal, clock.GetUtcNow(), SagaTrace.TraceId);
                // Before it is answered, not before it is held: an order that nobody has told of success fails, and what it holds is given back.
                var lookedAfter = refusal is null ? look(orderId, stop) : Task.CompletedTask;
                if (await TryWriteAsync(new(Claim.KeyOf(orderId), null, ""), claim, stop))
                {
                    await lookedAfter;
                    if (refusal is not null) await UndoAsync(claim, stop);
                    else
                    {
                        Agree(claim, Mark.Held);
                        own.Wrote(new(Claim.KeyOf(orderId), null, ""), claim);
                    }
                    return claim;
                }
            }
            if ((await ReadClaimAsync(orderId, stop)).Value is { } said)
            {
                if (!said.EverHeld) await UndoAsync(said, stop);
                if (said.Status == ClaimStatus.Held) await look(orderId, stop);
                return said;
            }
        }
    }

    /// <summary>Gives back what the order took; an order that has taken nothing yet will never take anything.</summary>
    public async Task<Claim> GiveBackAsync(string orderId, ImmutableArray<ClaimLine> lines, CancellationToken stop)
    {
        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            var record = await ReadClaimAsync(orderId, stop);
            switch (record.Value)
            {
                case null:
                    var never = new Claim(orderId, ClaimStatus.GivenBack, EverHeld: false, lines, null, clock.GetUtcNow(), SagaTrace.TraceId);
                    if (!await TryWriteAsync(record, never, stop)) continue;
                    await UndoAsync(never, stop);
                    return never;

                case { EverHeld: false } said:
                    await UndoAsync(said, stop);
                    return said;

                case { Status: ClaimStatus.GivenBack } said:
                    return said;

                case { Status: ClaimStatus.Held } held:
                    if (await MoveAsync(orderId, held.Lines, Mark.Returned, stop) is not { } moved) continue;
                    if (await FinishAsync(moved, ClaimStatus.GivenBack, Mark.Returned, stop) is { } given) return given;
                    continue;

                case { Status: ClaimStatus.Settled or ClaimStatus.Refused } said:
                    throw new UnprocessableEventException($"Order {orderId} is said to have failed, but its claim is {said.Status}.");
            }
        }
    }

    /// <summary>Makes final what the order took.</summary>
    public async Task<Claim> SettleAsync(string orderId, CancellationToken stop)
    {
        if (own.TryFind<Claim>(Claim.KeyOf(orderId), out var made) && await SettleOwnAsync(made, stop) is { } final) return final;

        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            var record = await ReadClaimAsync(orderId, stop);
            switch (record.Value)
            {
                case { Status: ClaimStatus.Settled } said:
                    return said;

                case { Status: ClaimStatus.Held } held:
                    if (await MoveAsync(orderId, held.Lines, Mark.Settled, stop) is not { } moved) continue;
                    if (await FinishAsync(moved, ClaimStatus.Settled, Mark.Settled, stop) is { } settled) return settled;
                    continue;

                case null or { Status: ClaimStatus.GivenBack or ClaimStatus.Refused }:
                    throw new UnprocessableEventException(
                        $"Order {orderId} is said to be confirmed, but its claim is {record.Value?.Status.ToString() ?? "absent"}.");
            }
        }
    }

    /// <summary>What this participant has said about an order; null: nothing.</summary>
    public async Task<Claim?> FindAsync(string orderId, CancellationToken stop) => (await ReadClaimAsync(orderId, stop)).Value;

    /// <returns>Neither: the line is taken. Overtaken: the order has a claim by now, which decides.</returns>
    private async Task<(Refusal? Refusal, bool Overtaken)> TakeLineAsync(
        string orderId, ClaimLine line, Func<T?, ClaimLine, Refusal?> refuse, CancellationToken stop)
    {
        var (refusal, overtaken, marks) = await ChangeAsync<(Refusal?, bool, int)>(line, Claim.KeyOf(orderId), (shared, claim) =>
        {
            if (claim.Value is not null) return new(null, (null, true, 0));
            switch (shared?.Holdings.MarkOf(orderId))
            {
                case Mark.Held:
                    return new(null, (null, false, 0));
                case Mark.Returned or Mark.Settled:
                    return new(null, (new("ORDER_IS_OVER", $"Order {orderId} ended so long ago that its record is gone."), false, 0));
                case null:
                    break;
            }
            if (refuse(shared, line) is { } refused) return new(null, (refused, false, 0));
            var holdings = shared!.Holdings.Take(orderId, line.Amount);
            return new(shared.With(holdings), (null, false, holdings.Marks.Count));
        }, stop);
        if (marks > MarksMax && tidying.TryAdd(line.Of, true))
        {
            try
            {
                await TidyAsync(line, stop);
            }
            finally
            {
                tidying.TryRemove(line.Of, out _);
            }
        }
        return (refusal, overtaken);
    }

    /// <summary>Moves what is held, line by line, to where <paramref name="to"/> says.</summary>
    /// <returns>The claim as it was meanwhile; null: it is not Held any more.</returns>
    private async Task<Versioned<Claim>?> MoveAsync(string orderId, ImmutableArray<ClaimLine> lines, Mark to, CancellationToken stop)
    {
        Versioned<Claim>? seen = null;
        foreach (var line in lines)
        {
            seen = await ChangeAsync<Versioned<Claim>?>(line, Claim.KeyOf(orderId), (shared, claim) =>
            {
                if (claim.Value is not { Status: ClaimStatus.Held }) return new(null, null);
                if (shared is null) throw new CorruptDocumentException($"{keyOf(line.Of)} is gone, although order {orderId} holds something of it.");
                if (shared.Holdings.MarkOf(orderId) == to) return new(null, claim);
                return new(shared.With(to switch
                {
                    Mark.Returned => shared.Holdings.GiveBack(orderId, line.Amount),
                    Mark.Settled => shared.Holdings.Settle(orderId, line.Amount),
                    Mark.Held => throw new ArgumentOutOfRangeException(nameof(to)),
                }), claim);
            }, stop);
            if (seen is null) return null;
        }
        return seen;
    }

    /// <summary>
    /// Makes final what this process took, without a look at the claim: it stays as it was made for as long as the order's mark is Held in
    /// one of the documents, since whoever ends it moves all marks before.
    /// </summary>
    /// <returns>Null: something is not as this process left it.</returns>
    private async Task<Claim?> SettleOwnAsync(Versioned<Claim> made, CancellationToken stop)
    {
        own.Forget(made.Key);
        var orderId = made.Value!.OrderId;
        foreach (var line in made.Value.Lines)
        {
            var settled = await ChangeAsync<bool>(line, null, (shared, _) => shared?.Holdings.MarkOf(orderId) == Mark.Held
                ? new(shared.With(shared.Holdings.Settle(orderId, line.Amount)), true)
                : new(null, false), stop);
            if (!settled) return null;
        }
        var final = await FinishAsync(made, ClaimStatus.Settled, Mark.Settled, stop);
        if (final is null) own.WasWrong();
        return final;
    }

    /// <summary>Null: somebody else changed the claim first.</summary>
    private async Task<Claim?> FinishAsync(Versioned<Claim> record, ClaimStatus status, Mark mark, CancellationToken stop)
    {
        var claim = record.Value! with { Status = status, Changed = clock.GetUtcNow() };
        if (!await TryWriteAsync(record, claim, stop)) return null;
        own.Forget(record.Key);
        Agree(claim, mark);
        return claim;
    }

    /// <summary>Gives back whatever is held without a claim, and fences everybody who has read the documents before.</summary>
    private async Task UndoAsync(Claim never, CancellationToken stop)
    {
        foreach (var line in never.Lines)
        {
            await ChangeAsync<bool>(line, null, (shared, _) => new(
                shared?.Holdings.MarkOf(never.OrderId) == Mark.Held ? shared.With(shared.Holdings.GiveBack(never.OrderId, line.Amount)) : shared, true), stop);
        }
        Agree(never, Mark.Returned);
    }

    /// <summary>Looks up the claims behind the marks that other instances, or this one before it restarted, have left, and drops what it can.</summary>
    private async Task TidyAsync(ClaimLine line, CancellationToken stop)
    {
        if ((await sidecar.ReadAsync<T>(keyOf(line.Of), stop)).Value is not { } shared) return;
        var claims = await sidecar.ReadEachAsync<Claim>([.. shared.Holdings.Marks.Keys.Select(Claim.KeyOf)], stop);
        foreach (var ((orderId, mark), claim) in shared.Holdings.Marks.Zip(claims))
        {
            // The mark of one that cannot be read stays.
            if (claim.IsCompletedSuccessfully && claim.Result.Value?.Agrees(mark) == true) agreements.Add(keyOf(line.Of), orderId, mark);
        }
        await ChangeAsync<bool>(line, null, (kept, _) => new(kept, true), stop);
    }

    private Task<TResult> ChangeAsync<TResult>(ClaimLine line, string? witness, Func<T?, Versioned<Claim>, Change<T, TResult>> decide, CancellationToken stop)
    {
        var key = keyOf(line.Of);
        return documents.ChangeAsync(key, witness, decide, shared => shared.With(shared.Holdings.Without(agreements.Of(key, shared.Holdings.Marks))), stop);
    }

    private async Task<Versioned<Claim>> ReadClaimAsync(string orderId, CancellationToken stop)
    {
        var read = await sidecar.ReadAsync<Claim>(Claim.KeyOf(orderId), stop);
        read.Value?.MustBeSound(orderId);
        return read;
    }

    private Task<bool> TryWriteAsync(Versioned<Claim> record, Claim claim, CancellationToken stop) =>
        sidecar.TryWriteAsync(record, claim, claim.Status == ClaimStatus.Held ? null : Retention.OfFinished, stop);

    private void Agree(Claim claim, Mark mark)
    {
        foreach (var line in claim.Lines) agreements.Add(keyOf(line.Of), claim.OrderId, mark);
    }
}
