using System.Collections.Immutable;
using Google.Protobuf;
using Shop.V1;

namespace Stock;

/// <summary>The decisions of Stock. Pure.</summary>
internal static class StockDecisions
{
    public static string ToReservationId(string orderId) => $"rsv-{orderId}";

    /// <summary>What an order reserves, sorted by product id: all orders reserve in the same sequence.</summary>
    public static ImmutableArray<ReservationLine> ToLines(IEnumerable<OrderLine> items) =>
        [.. items.OrderBy(item => item.ProductId, StringComparer.Ordinal).Select(item => new ReservationLine(item.ProductId, item.Quantity))];

    public static FailureReason? Reject(Product? product, ReservationLine line) => product switch
    {
        null => new("PRODUCT_NOT_FOUND", $"There is no product '{line.ResourceId}'."),
        { Holdings.Available: var available } when available < line.Amount =>
            new("OUT_OF_STOCK", $"{line.Amount} of product '{line.ResourceId}' were asked for and {available} are available."),
        _ => null,
    };

    /// <summary>The answer to order-created, the same for every redelivery.</summary>
    public static IMessage Answer(Reservation reservation) => reservation.WasReserved
        ? new StockReservedEvent { OrderId = reservation.OrderId, ReservationId = ToReservationId(reservation.OrderId) }
        : new StockReservationFailedEvent
        {
            OrderId = reservation.OrderId,
            Reason = reservation.Failure.Reason,
            Detail = reservation.Failure.Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    public static StockReleasedEvent ToCompensatedEvent(Reservation reservation) => new() { OrderId = reservation.OrderId, Undone = reservation.WasReserved };
}
