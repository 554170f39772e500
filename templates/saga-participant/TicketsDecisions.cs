using System.Collections.Immutable;
using Saga.Commands;
using Saga.Reservations;
using Shop.V1;

namespace Tickets;

/// <summary>The decisions of Tickets. Pure: without a clock, randomness or a look-up.</summary>
internal static class TicketsDecisions
{
    /// <summary>
    /// What an order needs, sorted by id. The same for each of its events, which come again and in any order. None: it succeeds and holds nothing.
    /// </summary>
    public static ImmutableArray<ReservationLine> ToLines(OrderCreatedEvent order) => [new(TicketsPool.Id, 1)];

    /// <summary>Why the order cannot have it, which fails the order. Null: it can.</summary>
    /// <param name="pool">Null: there is none yet.</param>
    public static FailureReason? Reject(TicketsPool? pool, ReservationLine line) =>
        pool is null || pool.Holdings.Available < line.Amount ? new("NONE_LEFT", "There is no ticket-noun left.") : null;
}
