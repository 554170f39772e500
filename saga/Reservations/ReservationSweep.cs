using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Messaging;
using Saga.OpenOrders;
using Saga.State;
using Saga.Telemetry;

namespace Saga.Reservations;

/// <summary>Ends open reservations whose final event was lost: asks for the outcome of their order and settles or releases them.</summary>
/// <param name="deadline">Age at which an open reservation is asked about.</param>
internal sealed class ReservationSweep<T>(
    Participant<T> participant, ISidecar sidecar, OpenOrderLog openOrders, OrderOutcomeQuery getOutcome, TimeSpan deadline,
    DeadLetters deadLetters, TimeProvider clock, ILogger<ReservationSweep<T>> log) : ISweptEntries
    where T : class, IHasHoldings<T>
{
    /// <summary>
    /// Up to this age a confirmed order is known to Orders, so that one that is not known was never confirmed. An hour is for clocks that differ.
    /// </summary>
    private static readonly TimeSpan DecidableAge = Retention.OfFinished - TimeSpan.FromHours(1);

    private readonly IsolatedVisits visits = new("reservations", "Reservation", deadLetters, clock, log);

    public string Kind => "reservations";

    /// <summary>Visits every open reservation once. Each costs a read, and one older than the deadline a call to Orders.</summary>
    public Task RunAsync(CancellationToken ct) => openOrders.SweepAsync(deadline, new(VisitAsync, (_, _) => Task.CompletedTask), ct);

    public async Task VisitAsync(string orderId, CancellationToken ct)
    {
        if (!await IsClosedAsync(orderId, await participant.FindAsync(orderId, ct), ct)) await openOrders.AddAsync(orderId, ct);
    }

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        var reads = await sidecar.ReadEachAsync<Reservation>([.. entries.Select(entry => Reservation.KeyOf(entry.OrderId))], ct);
        return await visits.VisitAsync(entries, reads, (entry, reservation) => IsClosedAsync(entry.OrderId, reservation.Value, ct), ct);
    }

    private async Task<bool> IsClosedAsync(string orderId, Reservation? reservation, CancellationToken ct)
    {
        reservation?.MustBeValid(orderId);
        if (reservation is not null and not { Status: ReservationStatus.Reserved }) return true;
        using var step = SagaTracing.StartLinkedRoot("sweep reservation", orderId, reservation?.TraceId);
        var outcome = await getOutcome(orderId, ct);
        if (step is not null) SagaTracing.SetOutcome($"order is {outcome}");
        if (outcome == OrderOutcome.Confirmed) await participant.SettleAsync(orderId, ct); // mutant: sweep-does-not-settle
        if (outcome == OrderOutcome.Unknown && reservation is not null && clock.GetUtcNow() - reservation.Changed > DecidableAge)
        {
            throw new UnprocessableEventException(
                $"The reservation is of {reservation.Changed:yyyy-MM-dd} and neither settled nor released, and Orders no longer knows whether the order was "
                + "confirmed. Nothing was changed; an operator has to decide (docs/debugging.md).");
        }
        // Without a reservation there is nothing to release: Orders closes a failed order only after this participant has compensated.
        if (outcome is OrderOutcome.Closed or OrderOutcome.Unknown && reservation is not null) await participant.ReleaseAsync(orderId, reservation.Lines, ct);
        return outcome switch
        {
            OrderOutcome.Confirmed or OrderOutcome.Closed or OrderOutcome.Unknown => true,
            OrderOutcome.Pending or OrderOutcome.Compensating => false,
        };
    }
}
