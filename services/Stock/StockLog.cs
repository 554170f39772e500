namespace Stock;

/// <summary>Every line Stock can log. Numbers 200 to 299.</summary>
internal static partial class StockLog
{
    [LoggerMessage(200, LogLevel.Information, "Reserving stock for order {OrderId}: {Items} products.", EventName = "Reserving")]
    public static partial void Reserving(ILogger log, string orderId, int items);

    [LoggerMessage(201, LogLevel.Information, "Took {Quantity} of product {ProductId} for order {OrderId}.", EventName = "Taken")]
    public static partial void Taken(ILogger log, long quantity, string productId, string orderId);

    [LoggerMessage(202, LogLevel.Information, "Stock of order {OrderId} is reserved: {ReservationId}.", EventName = "Reserved")]
    public static partial void Reserved(ILogger log, string orderId, string reservationId);

    [LoggerMessage(203, LogLevel.Information, "Stock of order {OrderId} is not reserved: {Detail}", EventName = "Rejected")]
    public static partial void Rejected(ILogger log, string orderId, string detail);

    [LoggerMessage(204, LogLevel.Information, "Releasing stock of order {OrderId}, which failed: {Reason}.", EventName = "Releasing")]
    public static partial void Releasing(ILogger log, string orderId, string reason);

    [LoggerMessage(205, LogLevel.Information, "Nothing of order {OrderId} is held any more (something had been: {Undone}).", EventName = "Released")]
    public static partial void Released(ILogger log, string orderId, bool undone);

    [LoggerMessage(206, LogLevel.Information, "Stock of order {OrderId} is sold.", EventName = "Sold")]
    public static partial void Sold(ILogger log, string orderId);
}
