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
public sealed class HoldSweep<T>(
    Participant<T> participant, ISidecar sidecar, OpenLog openLog, Func<string, CancellationToken, Task<OrderFate>> ask, TimeSpan deadline)
    where T : class, IShared<T>
{
    /// <summary>Once over everything held. Each costs a read, and an old one a question to Orders.</summary>
    public Task RunAsync(CancellationToken stop) => openLog.SweepAsync(deadline, new(VisitAsync, (_, _) => Task.CompletedTask), stop);

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken stop)
    {
        var claims = await sidecar.ReadManyAsync<Claim>([.. entries.Select(entry => Claim.KeyOf(entry.OrderId))], stop);
        HashSet<string> open = [];
        foreach (var (entry, claim) in entries.Zip(claims))
        {
            if (!await IsOverAsync(entry.OrderId, claim.Value, stop)) open.Add(entry.OrderId);
        }
        return open;
    }

    private async Task<bool> IsOverAsync(string orderId, Claim? claim, CancellationToken stop)
    {
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
