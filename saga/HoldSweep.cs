using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>How an order stands, as far as a participant needs to know.</summary>
public enum OrderFate
{
    /// <summary>Orders has not decided.</summary>
    Pending,
    Confirmed,
    /// <summary>It failed, and not everybody has undone; order-failed will be said again.</summary>
    Failing,
    /// <summary>It failed and everybody has undone, or Orders knows of no such order.</summary>
    Over,
}

/// <summary>Looks after what a participant holds: a hold ends even when the final event was lost.</summary>
/// <param name="ask">Asks Orders.</param>
/// <param name="deadline">A hold that is older is asked about.</param>
internal sealed class HoldSweep<T>(
    Participant<T> participant, ISidecar sidecar, OpenLog openLog, Func<string, CancellationToken, Task<OrderFate>> ask, TimeSpan deadline,
    DeadLetters deadLetters, TimeProvider clock, ILogger<HoldSweep<T>> log) : ISweptEntries
    where T : class, IShared<T>
{
    private readonly IsolatedVisits visits = new("reservations", "Reservation", deadLetters, clock, log);

    public string Kind => "reservations";

    /// <summary>Once over everything held. Each costs a read, and an old one a question to Orders.</summary>
    public Task RunAsync(CancellationToken stop) => openLog.SweepAsync(deadline, new(VisitAsync, (_, _) => Task.CompletedTask), stop);

    public async Task VisitAsync(string orderId, CancellationToken stop)
    {
        if (!await IsOverAsync(orderId, await participant.FindAsync(orderId, stop), stop)) await openLog.AddAsync(orderId, stop);
    }

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken stop)
    {
        var reads = await sidecar.ReadEachAsync<Claim>([.. entries.Select(entry => Claim.KeyOf(entry.OrderId))], stop);
        return await visits.VisitAsync(entries, reads, (entry, claim) => IsOverAsync(entry.OrderId, claim.Value, stop), stop);
    }

    private async Task<bool> IsOverAsync(string orderId, Claim? claim, CancellationToken stop)
    {
        claim?.MustBeSound(orderId);
        if (claim is not null and not { Status: ClaimStatus.Held }) return true;
        using var step = SagaTrace.StartAnew("look after hold", orderId, claim?.TraceId);
        var fate = await ask(orderId, stop);
        if (step is not null) SagaTrace.Outcome($"order is {fate}");
        if (fate == OrderFate.Confirmed) await participant.SettleAsync(orderId, stop);
        // Without a claim there is nothing to give back, or Orders would not have been told that all is undone.
        if (fate == OrderFate.Over && claim is not null) await participant.GiveBackAsync(orderId, claim.Lines, stop);
        return fate switch
        {
            OrderFate.Confirmed or OrderFate.Over => true,
            OrderFate.Pending or OrderFate.Failing => false,
        };
    }
}
