using System.Collections.Immutable;
using Saga.Commands;
using Shop.V1;

namespace Saga.Reservations;

/// <summary>What a participant decides about an order. All of it is pure.</summary>
/// <param name="ToLines">
/// What an order needs, from the facts of its order-created; sorted by id. The same for every event of an order. None: the order needs nothing of this
/// participant, and the step succeeds.
/// </param>
/// <param name="Reject">Why a line cannot be taken from its document (null: there is no document). Null: it can.</param>
/// <param name="Create">The new document of an id that has none. Null: documents are created by something else, such as a client's command.</param>
public sealed record StepDecisions<T>(
    Func<OrderCreatedEvent, ImmutableArray<ReservationLine>> ToLines,
    Func<T?, ReservationLine, FailureReason?> Reject,
    Func<string, T>? Create = null)
    where T : class, IHasHoldings<T>;
