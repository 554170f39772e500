using System.Collections.Immutable;
using Google.Protobuf;
using Saga;
using Shop.V1;

namespace Stock;

/// <summary>What Stock decides and says. Pure.</summary>
internal static class StockDecisions
{
    public static string ReservationIdOf(string orderId) => $"rsv-{orderId}";

    /// <summary>What an order takes, by product id: everybody takes in the same order, so nobody waits for each other in a ring.</summary>
    public static ImmutableArray<ClaimLine> LinesOf(IEnumerable<OrderLine> items) =>
        [.. items.OrderBy(item => item.ProductId, StringComparer.Ordinal).Select(item => new ClaimLine(item.ProductId, item.Quantity))];

    public static Refusal? Refuse(Product? product, ClaimLine line) => product switch
    {
        null => new("PRODUCT_NOT_FOUND", $"There is no product '{line.Of}'."),
        { Holdings.Available: var available } when available < line.Amount =>
            new("OUT_OF_STOCK", $"{line.Amount} of product '{line.Of}' were asked for and {available} are available."),
        _ => null,
    };

    /// <summary>The answer to order-created: the same for ever once the claim is made.</summary>
    public static IMessage Answer(Claim claim) => claim.EverHeld
        ? new StockReservedEvent { OrderId = claim.OrderId, ReservationId = ReservationIdOf(claim.OrderId) }
        : new StockReservationFailedEvent
        {
            OrderId = claim.OrderId,
            Reason = (claim.Refusal ?? Refusal.OrderAlreadyFailed).Reason,
            Detail = (claim.Refusal ?? Refusal.OrderAlreadyFailed).Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    public static StockReleasedEvent AnswerToFailure(Claim claim) => new() { OrderId = claim.OrderId, Undone = claim.EverHeld };
}
