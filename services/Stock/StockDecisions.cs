using System.Collections.Immutable;
using Google.Protobuf;
using Saga;
using Shop.V1;
using Reservation = Saga.Reservation;

namespace Stock;

/// <summary>What Stock decides and says. Pure.</summary>
internal static class StockDecisions
{
    public static string ReservationIdOf(string orderId) => $"rsv-{orderId}";

    /// <summary>What an order takes, by product id: everybody takes in the same order, so nobody waits for each other in a ring.</summary>
    public static ImmutableArray<ReservationLine> LinesOf(IEnumerable<OrderLine> items) =>
        [.. items.OrderBy(item => item.ProductId, StringComparer.Ordinal).Select(item => new ReservationLine(item.ProductId, item.Quantity))];

    public static FailureReason? Refuse(Product? product, ReservationLine line) => product switch
    {
        null => new("PRODUCT_NOT_FOUND", $"There is no product '{line.ResourceId}'."),
        { Holdings.Available: var available } when available < line.Amount =>
            new("OUT_OF_STOCK", $"{line.Amount} of product '{line.ResourceId}' were asked for and {available} are available."),
        _ => null,
    };

    /// <summary>The answer to order-created: the same for ever once the claim is made.</summary>
    public static IMessage Answer(Reservation reservation) => reservation.WasReserved
        ? new StockReservedEvent { OrderId = reservation.OrderId, ReservationId = ReservationIdOf(reservation.OrderId) }
        : new StockReservationFailedEvent
        {
            OrderId = reservation.OrderId,
            Reason = (reservation.FailureReason ?? FailureReason.OrderAlreadyFailed).Reason,
            Detail = (reservation.FailureReason ?? FailureReason.OrderAlreadyFailed).Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    public static StockReleasedEvent ToCompensatedEvent(Reservation reservation) => new() { OrderId = reservation.OrderId, Undone = reservation.WasReserved };
}
