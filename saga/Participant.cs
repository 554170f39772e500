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
public sealed class Participant<T>(ISidecar sidecar, Func<string, string> keyOf, TimeProvider clock, Patience patience) where T : class, IShared<T>
{
    /// <summary>More marks than this in one document, and the claims of those that other instances left are looked up.</summary>
    private const int MarksMax = 32;

    private readonly Agreements agreements = new();

    /// <summary>Takes all lines for the order, or none.</summary>
    /// <param name="refuse">Why this line cannot be taken from the document (null: there is none), or null when it can.</param>
    public async Task<Claim> TakeAsync(string orderId, ImmutableArray<ClaimLine> lines, Func<T?, ClaimLine, Refusal?> refuse, CancellationToken stop)
    {
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
                var claim = new Claim(orderId, refusal is null ? ClaimStatus.Held : ClaimStatus.Refused, refusal is null, lines, refusal, clock.GetUtcNow());
                if (await TryWriteAsync(new(Claim.KeyOf(orderId), null, ""), claim, stop))
                {
                    if (refusal is not null) await UndoAsync(claim, stop);
                    else Agree(claim, Mark.Held);
                    return claim;
                }
            }
            if ((await ReadClaimAsync(orderId, stop)).Value is { } said)
            {
                if (!said.EverHeld) await UndoAsync(said, stop);
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
                    var never = new Claim(orderId, ClaimStatus.GivenBack, EverHeld: false, lines, null, clock.GetUtcNow());
                    if (!await TryWriteAsync(record, never, stop)) continue;
                    await UndoAsync(never, stop);
                    return never;

                case { EverHeld: false } said:
                    await UndoAsync(said, stop);
                    return said;

                case { Status: ClaimStatus.GivenBack } said:
                    return said;

                case { Status: ClaimStatus.Held } held:
                    if (!await MoveAsync(held, Mark.Returned, stop)) continue;
                    if (await FinishAsync(record, ClaimStatus.GivenBack, Mark.Returned, stop) is { } given) return given;
                    continue;

                case { Status: ClaimStatus.Settled or ClaimStatus.Refused } said:
                    throw new InvalidOperationException($"Order {orderId} is said to have failed, but its claim is {said.Status}.");
            }
        }
    }

    /// <summary>Makes final what the order took.</summary>
    public async Task<Claim> SettleAsync(string orderId, CancellationToken stop)
    {
        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            var record = await ReadClaimAsync(orderId, stop);
            switch (record.Value)
            {
                case { Status: ClaimStatus.Settled } said:
                    return said;

                case { Status: ClaimStatus.Held } held:
                    if (!await MoveAsync(held, Mark.Settled, stop)) continue;
                    if (await FinishAsync(record, ClaimStatus.Settled, Mark.Settled, stop) is { } settled) return settled;
                    continue;

                case null or { Status: ClaimStatus.GivenBack or ClaimStatus.Refused }:
                    throw new InvalidOperationException(
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
        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            var shared = await sidecar.ReadAsync<T>(keyOf(line.Of), stop);
            if ((await ReadClaimAsync(orderId, stop)).Value is not null) return (null, true);
            switch (shared.Value?.Holdings.MarkOf(orderId))
            {
                case Mark.Held:
                    return (null, false);
                case Mark.Returned or Mark.Settled:
                    return (new("ORDER_IS_OVER", $"Order {orderId} ended so long ago that its record is gone."), false);
                case null:
                    break;
            }
            if (refuse(shared.Value, line) is { } refusal) return (refusal, false);
            if (await TryWriteAsync(shared, holdings => holdings.Take(orderId, line.Amount), stop)) return (null, false);
        }
    }

    /// <summary>Moves what is held, line by line, to where <paramref name="to"/> says. False: the claim is not Held any more.</summary>
    private async Task<bool> MoveAsync(Claim held, Mark to, CancellationToken stop)
    {
        foreach (var line in held.Lines)
        {
            for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
            {
                var shared = await ReadSharedAsync(line, stop);
                if (shared.Value!.Holdings.MarkOf(held.OrderId) == to) break;
                if ((await ReadClaimAsync(held.OrderId, stop)).Value is not { Status: ClaimStatus.Held }) return false;
                if (await TryWriteAsync(shared, holdings => to switch
                {
                    Mark.Returned => holdings.GiveBack(held.OrderId, line.Amount),
                    Mark.Settled => holdings.Settle(held.OrderId, line.Amount),
                    Mark.Held => throw new ArgumentOutOfRangeException(nameof(to)),
                }, stop)) break;
            }
        }
        return true;
    }

    /// <summary>Null: somebody else changed the claim first.</summary>
    private async Task<Claim?> FinishAsync(Versioned<Claim> record, ClaimStatus status, Mark mark, CancellationToken stop)
    {
        var claim = record.Value! with { Status = status, Changed = clock.GetUtcNow() };
        if (!await TryWriteAsync(record, claim, stop)) return null;
        Agree(claim, mark);
        return claim;
    }

    /// <summary>Gives back whatever is held without a claim, and fences everybody who has read the documents before.</summary>
    private async Task UndoAsync(Claim never, CancellationToken stop)
    {
        foreach (var line in never.Lines)
        {
            for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
            {
                var shared = await sidecar.ReadAsync<T>(keyOf(line.Of), stop);
                if (shared.Value is null) break;
                var held = shared.Value.Holdings.MarkOf(never.OrderId) == Mark.Held;
                if (await TryWriteAsync(shared, holdings => held ? holdings.GiveBack(never.OrderId, line.Amount) : holdings, stop)) break;
            }
        }
        Agree(never, Mark.Returned);
    }

    private Task<Versioned<Claim>> ReadClaimAsync(string orderId, CancellationToken stop) =>
        sidecar.ReadAsync<Claim>(Claim.KeyOf(orderId), stop);

    private Task<bool> TryWriteAsync(Versioned<Claim> record, Claim claim, CancellationToken stop) =>
        sidecar.TryWriteAsync(record, claim, claim.Status == ClaimStatus.Held ? null : Retention.OfFinished, stop);

    private async Task<Versioned<T>> ReadSharedAsync(ClaimLine line, CancellationToken stop)
    {
        var shared = await sidecar.ReadAsync<T>(keyOf(line.Of), stop);
        return shared.Value is not null ? shared : throw new InvalidOperationException($"{shared.Key} is held from, but it is gone.");
    }

    private async Task<bool> TryWriteAsync(Versioned<T> shared, Func<Holdings, Holdings> move, CancellationToken stop)
    {
        var agreed = agreements.Of(shared.Key);
        var holdings = shared.Value!.Holdings.Without(agreed);
        if (holdings.Marks.Count > MarksMax)
        {
            var claims = await sidecar.ReadManyAsync<Claim>([.. holdings.Marks.Keys.Select(Claim.KeyOf)], stop);
            holdings = holdings.Without([.. holdings.Marks.Zip(claims)
                .Where(pair => pair.Second.Value?.Agrees(pair.First.Value) == true)
                .Select(pair => pair.First)]);
        }
        var written = await sidecar.TryWriteAsync(shared, shared.Value.With(move(holdings)), null, stop);
        if (written) agreements.Forget(shared.Key, agreed);
        return written;
    }

    private void Agree(Claim claim, Mark mark)
    {
        foreach (var line in claim.Lines) agreements.Add(keyOf(line.Of), claim.OrderId, mark);
    }
}
