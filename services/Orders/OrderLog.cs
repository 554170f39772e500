namespace Orders;

/// <summary>Every line Orders can log. Numbers 100 to 199.</summary>
internal static partial class OrderLog
{
    [LoggerMessage(100, LogLevel.Information, "Order {OrderId} is placed: {Items} products for {FinalAmount} won.", EventName = "Placed")]
    public static partial void Placed(ILogger log, string orderId, int items, long finalAmount);

    [LoggerMessage(101, LogLevel.Information, "Heard {Event} of order {OrderId}.", EventName = "Heard")]
    public static partial void Heard(ILogger log, string @event, string orderId);

    [LoggerMessage(102, LogLevel.Information, "Order {OrderId} is CONFIRMED.", EventName = "Confirmed")]
    public static partial void Confirmed(ILogger log, string orderId);

    [LoggerMessage(103, LogLevel.Information, "Order {OrderId} has FAILED: {Reason}. Completed steps: {CompletedSteps}.", EventName = "Failed")]
    public static partial void Failed(ILogger log, string orderId, string reason, string completedSteps);

    [LoggerMessage(104, LogLevel.Warning, "Order {OrderId} is accepted, but order-created could not be said; the sweep will say it: {Problem}", EventName = "NotSaidYet")]
    public static partial void NotSaidYet(ILogger log, string orderId, string problem);

    [LoggerMessage(105, LogLevel.Information, "Id {OrderId} was noted for an order, but none was placed under it in time; it is void.", EventName = "Voided")]
    public static partial void Abandoned(ILogger log, string orderId);

    [LoggerMessage(106, LogLevel.Warning, "Order {OrderId} was quiet; what was said last was said again.", EventName = "Reminded")]
    public static partial void Resent(ILogger log, string orderId);

    [LoggerMessage(107, LogLevel.Warning, "A console that follows order {OrderId} was cut off, and comes back by itself: {Problem} Further ones are counted.", EventName = "ConsoleCutOff")]
    public static partial void ConsoleCutOff(ILogger log, string orderId, string problem);
}
