using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>How an order stands, as far as a participant needs to know.</summary>
public enum OrderOutcome
{
    /// <summary>Orders has not decided.</summary>
    Pending,
    Confirmed,
    /// <summary>It failed, and not everybody has undone; order-failed will be said again.</summary>
    Compensating,
    /// <summary>It failed and everybody has undone, or Orders knows of no such order.</summary>
    Closed,
}

/// <summary>Looks after what a participant holds: a hold ends even when the final event was lost.</summary>
/// <param name="getOutcome">Asks Orders.</param>
/// <param name="deadline">A hold that is older is asked about.</param>
internal sealed class ReservationSweep<T>(
    Participant<T> participant, ISidecar sidecar, OpenOrderLog openOrders, Func<string, CancellationToken, Task<OrderOutcome>> getOutcome, TimeSpan deadline,
    DeadLetters deadLetters, TimeProvider clock, ILogger<ReservationSweep<T>> log) : ISweptEntries
    where T : class, IHasHoldings<T>
{
    private readonly IsolatedVisits visits = new("reservations", "Reservation", deadLetters, clock, log);

    public string Kind => "reservations";

    /// <summary>Once over everything held. Each costs a read, and an old one a question to Orders.</summary>
    public Task RunAsync(CancellationToken ct) => openOrders.SweepAsync(deadline, new(VisitAsync, (_, _) => Task.CompletedTask), ct);

    public async Task VisitAsync(string orderId, CancellationToken ct)
    {
        if (!await IsOverAsync(orderId, await participant.FindAsync(orderId, ct), ct)) await openOrders.AddAsync(orderId, ct);
    }

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        var reads = await sidecar.ReadEachAsync<Reservation>([.. entries.Select(entry => Reservation.KeyOf(entry.OrderId))], ct);
        return await visits.VisitAsync(entries, reads, (entry, reservation) => IsOverAsync(entry.OrderId, reservation.Value, ct), ct);
    }

    private async Task<bool> IsOverAsync(string orderId, Reservation? reservation, CancellationToken ct)
    {
        reservation?.MustBeSound(orderId);
        if (reservation is not null and not { Status: ReservationStatus.Reserved }) return true;
        using var step = SagaTracing.StartLinkedRoot("look after hold", orderId, reservation?.TraceId);
        var outcome = await getOutcome(orderId, ct);
        if (step is not null) SagaTracing.SetOutcome($"order is {outcome}");
        if (outcome == OrderOutcome.Confirmed) await participant.SettleAsync(orderId, ct);
        // Without a claim there is nothing to give back, or Orders would not have been told that all is undone.
        if (outcome == OrderOutcome.Closed && reservation is not null) await participant.ReleaseAsync(orderId, reservation.Lines, ct);
        return outcome switch
        {
            OrderOutcome.Confirmed or OrderOutcome.Closed => true,
            OrderOutcome.Pending or OrderOutcome.Compensating => false,
        };
    }
}
