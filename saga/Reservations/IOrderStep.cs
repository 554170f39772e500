using Shop.V1;

namespace Saga.Reservations;

/// <summary>
/// What a participant does for an order, by event or by call: its handlers use it, and shop.v1.ParticipantService, which Orders calls for an orchestrated
/// order. Register it with AddSubscriptions. Idempotent per order, and safe in any order of calls, as <see cref="Participant{T}"/> is.
/// </summary>
public interface IOrderStep
{
    /// <summary>Try: holds what the order needs.</summary>
    /// <returns>The same for every call of the order.</returns>
    Task<ReserveResponse> TryAsync(OrderCreatedEvent order, CancellationToken ct);

    /// <summary>Cancel: releases what is held. A try that comes later is refused.</summary>
    Task<ReleaseResponse> CancelAsync(OrderFailedEvent order, CancellationToken ct);
}
