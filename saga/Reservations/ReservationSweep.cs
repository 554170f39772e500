using System.Text.Json;
using Dapr;
using Grpc.Core;
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

    /// <summary>Visits every open reservation once. Each costs a read, and one that is not archived at the deadline a call to Orders.</summary>
    public Task RunAsync(CancellationToken ct) => openOrders.SweepAsync(deadline, new(VisitAsync, (_, _) => Task.CompletedTask, visits.Forget), ct);

    public async Task VisitAsync(string entry, CancellationToken ct)
    {
        var open = OpenReservation.Parse(JsonElement.Parse(entry));
        if (!await IsClosedAsync(open, (await sidecar.ReadAsync<Reservation>(Reservation.KeyOf(open.OrderId), ct)).Value, ct))
        {
            await openOrders.AddAsync(open.OrderId, open.ToDetail(), ct);
        }
    }

    private async Task<IReadOnlySet<string>> VisitAsync(IReadOnlyList<OpenEntry> entries, CancellationToken ct)
    {
        var reads = await sidecar.ReadEachAsync<Reservation>([.. entries.Select(entry => Reservation.KeyOf(entry.OrderId))], ct);
        // Version 1 tracked the order alone: once the reservation is final, nothing is left to do.
        return await visits.VisitAsync(entries, reads, (entry, archived) => entry.Detail is null && archived.Value is not null
            ? Task.FromResult(true)
            : IsClosedAsync(OpenReservation.Parse(entry.Detail, entry.OrderId), archived.Value, ct), ct);
    }

    private async Task<bool> IsClosedAsync(OpenReservation open, Reservation? archived, CancellationToken ct)
    {
        if (archived is not null && open.Lines.All(line => archived.Covers(line.ResourceId))) return true;
        using var span = SagaTracing.StartLinkedRoot("sweep reservation", open.OrderId, open.TraceId);
        var outcome = await GetOutcomeAsync(open.OrderId, ct);
        if (span is not null) SagaTracing.SetOutcome($"order is {outcome}");
        if (outcome == OrderOutcome.Unknown && clock.GetUtcNow() - open.Since > DecidableAge && await participant.FindHeldAsync(open, ct) is not null)
        {
            throw new UnprocessableEventException(
                $"The reservation is of {open.Since:yyyy-MM-dd} and neither settled nor released, and Orders no longer knows whether the order was "
                + "confirmed. Nothing was changed; an operator has to decide (docs/debugging.md).");
        }
        if (outcome is OrderOutcome.Pending or OrderOutcome.Compensating) return false;
        if (archived is not null && (archived.Status == ReservationStatus.Settled) == (outcome == OrderOutcome.Confirmed))
        {
            await participant.ReleaseStrayAsync(open.OrderId, open.Lines, archived, ct);
            return true;
        }
        if (outcome == OrderOutcome.Confirmed) await participant.SettleAsync(open.OrderId, open.Lines, ct); // mutant: sweep-does-not-settle
        else await participant.ReleaseAsync(open.OrderId, open.Lines, ct);
        return true;
    }

    /// <summary>Whatever the query of an application throws, Orders has not answered: the reservation stays tracked.</summary>
    private async Task<OrderOutcome> GetOutcomeAsync(string orderId, CancellationToken ct)
    {
        try
        {
            return await getOutcome(orderId, ct);
        }
        catch (Exception fault) when (!Faults.IsTransient(fault) && fault is not RpcException)
        {
            throw new DaprException($"The outcome of order {orderId} could not be asked for: {fault.Message}", fault);
        }
    }
}
