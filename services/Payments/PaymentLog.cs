namespace Payments;

/// <summary>The log events of Payments. Ids 300 to 399.</summary>
internal static partial class PaymentLog
{
    [LoggerMessage(300, LogLevel.Information, "Charging {Amount} won for order {OrderId}.", EventName = "Charging")]
    public static partial void Charging(ILogger log, long amount, string orderId);

    [LoggerMessage(301, LogLevel.Information, "{Amount} won of the balance of user {UserId} are held for order {OrderId}.", EventName = "BalanceTaken")]
    public static partial void BalanceTaken(ILogger log, long amount, string userId, string orderId);

    [LoggerMessage(302, LogLevel.Information, "Payment {PaymentId} is created for order {OrderId}.", EventName = "PaymentCreated")]
    public static partial void PaymentCreated(ILogger log, string paymentId, string orderId);

    [LoggerMessage(303, LogLevel.Information, "Order {OrderId} is charged.", EventName = "Charged")]
    public static partial void Charged(ILogger log, string orderId);

    [LoggerMessage(304, LogLevel.Information, "Order {OrderId} is not charged: {Detail}", EventName = "Declined")]
    public static partial void Declined(ILogger log, string orderId, string detail);

    [LoggerMessage(305, LogLevel.Information, "Refunding order {OrderId}, which failed: {Reason}.", EventName = "Refunding")]
    public static partial void Refunding(ILogger log, string orderId, string reason);

    [LoggerMessage(306, LogLevel.Information, "Order {OrderId} is refunded (something was charged: {Undone}).", EventName = "Refunded")]
    public static partial void Refunded(ILogger log, string orderId, bool undone);

    [LoggerMessage(307, LogLevel.Information, "The charge of order {OrderId} is final.", EventName = "Spent")]
    public static partial void Spent(ILogger log, string orderId);
}
