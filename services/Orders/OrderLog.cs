namespace Orders;

/// <summary>The log events of Orders. Ids 100 to 199.</summary>
internal static partial class OrderLog
{
    [LoggerMessage(100, LogLevel.Information, "Order {OrderId} is placed: {Items} products for {FinalAmount} won.", EventName = "Placed")]
    public static partial void Placed(ILogger log, string orderId, int items, long finalAmount);

    [LoggerMessage(101, LogLevel.Information, "Consumed {Event} of order {OrderId}.", EventName = "Consumed")]
    public static partial void Consumed(ILogger log, string @event, string orderId);

    [LoggerMessage(102, LogLevel.Information, "Order {OrderId} is CONFIRMED.", EventName = "Confirmed")]
    public static partial void Confirmed(ILogger log, string orderId);

    [LoggerMessage(103, LogLevel.Information, "Order {OrderId} has FAILED: {Reason}. Completed steps: {CompletedSteps}.", EventName = "Failed")]
    public static partial void Failed(ILogger log, string orderId, string reason, string completedSteps);

    [LoggerMessage(111, LogLevel.Warning, "Order {OrderId} has failed because of an order-failed that another publisher has sent, or that the store has lost: {Detail}",
        EventName = "CompensatedWhilePending")]
    public static partial void CompensatedWhilePending(ILogger log, string orderId, string detail);

    [LoggerMessage(104, LogLevel.Warning, "Order {OrderId} is accepted, but order-created could not be published; the sweep will publish it: {Problem}",
        EventName = "NotPublishedYet")]
    public static partial void NotPublishedYet(ILogger log, string orderId, string problem);

    [LoggerMessage(105, LogLevel.Information, "Id {OrderId} was tracked, but no order was placed under it before the deadline; it is abandoned.",
        EventName = "Abandoned")]
    public static partial void Abandoned(ILogger log, string orderId);

    [LoggerMessage(106, LogLevel.Warning, "Order {OrderId} was open without a change for too long; its last event was resent, or its deadline had passed.",
        EventName = "Resent")]
    public static partial void Resent(ILogger log, string orderId);

    [LoggerMessage(107, LogLevel.Information, "{Participant} has answered {Call} of order {OrderId}: {Answer}.", EventName = "Answered")]
    public static partial void Answered(ILogger log, string participant, string call, string orderId, string answer);

    [LoggerMessage(108, LogLevel.Warning, "{Participant} has not answered {Call} of order {OrderId}, which is called again: {Problem}", EventName = "NotAnswered")]
    public static partial void NotAnswered(ILogger log, string participant, string call, string orderId, string problem);

    [LoggerMessage(109, LogLevel.Warning, "The end of order {OrderId} could not be published; each participant will ask for it: {Problem}",
        EventName = "EndNotPublished")]
    public static partial void EndNotPublished(ILogger log, string orderId, string problem);

    [LoggerMessage(110, LogLevel.Warning, "What other instances do with orders cannot be read; open orders are counted and watched without it: {Problem}",
        EventName = "OthersNotSeen")]
    public static partial void OthersNotSeen(ILogger log, string problem);
}
