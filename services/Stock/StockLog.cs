namespace Stock;

/// <summary>The log events of Stock. Ids 200 to 299.</summary>
internal static partial class StockLog
{
    [LoggerMessage(200, LogLevel.Information, "Reserving stock for order {OrderId}: {Items} products.", EventName = "Reserving")]
    public static partial void Reserving(ILogger log, string orderId, int items);

    [LoggerMessage(201, LogLevel.Information, "{Quantity} of product {ProductId} are held for order {OrderId}.", EventName = "Held")]
    public static partial void Held(ILogger log, long quantity, string productId, string orderId);

    [LoggerMessage(202, LogLevel.Information, "Stock of order {OrderId} is reserved: {ReservationId}.", EventName = "Reserved")]
    public static partial void Reserved(ILogger log, string orderId, string reservationId);

    [LoggerMessage(203, LogLevel.Information, "Stock of order {OrderId} is not reserved: {Detail}", EventName = "Rejected")]
    public static partial void Rejected(ILogger log, string orderId, string detail);

    [LoggerMessage(204, LogLevel.Information, "Releasing stock of order {OrderId}, which failed: {Reason}.", EventName = "Releasing")]
    public static partial void Releasing(ILogger log, string orderId, string reason);

    [LoggerMessage(205, LogLevel.Information, "Stock of order {OrderId} is released (something was held: {Undone}).", EventName = "Released")]
    public static partial void Released(ILogger log, string orderId, bool undone);

    [LoggerMessage(206, LogLevel.Information, "Stock of order {OrderId} is sold.", EventName = "Sold")]
    public static partial void Sold(ILogger log, string orderId);
}
