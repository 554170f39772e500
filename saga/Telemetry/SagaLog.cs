// The order id is a structured field of every line, also where the text does not contain it.
#pragma warning disable SYSLIB1015
using Microsoft.Extensions.Logging;

namespace Saga.Telemetry;

/// <summary>The log events of this library. Ids 1 to 99; the services start at 100.</summary>
internal static partial class SagaLog
{
    [LoggerMessage(1, LogLevel.Error, "Event {EventId} on {Topic} could not be handled, attempt {Attempt}, and will be redelivered: {Problem}",
        EventName = "HandlerFailed")]
    private static partial void HandlerFailed(ILogger log, string eventId, string topic, int attempt, string problem, string orderId);

    public static void HandlerFailed(ILogger log, string eventId, string topic, int attempt, string problem) =>
        HandlerFailed(log, eventId, topic, attempt, problem, EventIds.GetOrderId(eventId));

    [LoggerMessage(2, LogLevel.Error, "Event {EventId} on {Topic} can never be handled and is stored as dead letter {DeadLetterId}: {Reason}",
        EventName = "EventRejected")]
    private static partial void EventRejected(ILogger log, Exception? bug, string eventId, string topic, string deadLetterId, string reason, string orderId);

    /// <param name="bug">Null: the reason is expected and needs no stack trace.</param>
    public static void EventRejected(ILogger log, Exception? bug, string eventId, string topic, string deadLetterId, string reason) =>
        EventRejected(log, bug, eventId, topic, deadLetterId, reason, EventIds.GetOrderId(eventId));

    [LoggerMessage(3, LogLevel.Error, "The sweep of {Kind} cannot handle order {OrderId}, which is now dead letter {DeadLetterId}: {Reason}",
        EventName = "EntryRejected")]
    public static partial void EntryRejected(ILogger log, Exception? bug, string kind, string orderId, string deadLetterId, string reason);

    [LoggerMessage(15, LogLevel.Warning, "The sweep of {Kind} could not visit order {OrderId} and retries in {Delay}: {Problem}", EventName = "EntryPostponed")]
    public static partial void EntryPostponed(ILogger log, string kind, string orderId, TimeSpan delay, string problem);

    [LoggerMessage(18, LogLevel.Warning, "{Key} cannot be read, and orders that only it tracks are not visited until it is repaired: {Problem}",
        EventName = "OpenOrdersUnreadable")]
    public static partial void OpenOrdersUnreadable(ILogger log, string key, string problem);

    [LoggerMessage(19, LogLevel.Error, "{Key} cannot be read, and could not be made a dead letter, which is tried again: {Problem}",
        EventName = "ReportNotStored")]
    public static partial void ReportNotStored(ILogger log, string key, string problem);

    [LoggerMessage(21, LogLevel.Warning, "A list leaves out what is corrupt: {Problem}", EventName = "LeftOutOfList")]
    public static partial void LeftOutOfList(ILogger log, string problem);

    [LoggerMessage(16, LogLevel.Error, "The service is not ready. {Problem}", EventName = "StoreUnfit")]
    public static partial void StoreUnfit(ILogger log, string problem);

    /// <param name="bug">Null: the document is corrupt, which needs no stack trace.</param>
    [LoggerMessage(23, LogLevel.Error, "A list leaves out document {Key}, which cannot be read: {Problem}", EventName = "DocumentLeftOut")]
    public static partial void DocumentLeftOut(ILogger log, Exception? bug, string key, string problem);

    [LoggerMessage(4, LogLevel.Warning, "{Method}({OrderId}) failed: {Problem} Further failed calls are counted.", EventName = "DependencyFailed")]
    public static partial void DependencyFailed(ILogger log, string method, string problem, string orderId);

    [LoggerMessage(5, LogLevel.Error, "{Method}({OrderId}) met a bug.", EventName = "UnhandledException")]
    public static partial void UnhandledException(ILogger log, Exception bug, string method, string orderId);

    /// <param name="bug">Null: a transient fault, which needs no stack trace.</param>
    [LoggerMessage(6, LogLevel.Warning, "The sweep of {Sweep} failed and runs again every {Period} until it succeeds: {Problem}", EventName = "SweepFailed")]
    public static partial void SweepFailed(ILogger log, Exception? bug, string sweep, TimeSpan period, string problem);

    [LoggerMessage(7, LogLevel.Warning, "The open-order log {Instance} with {Orders} orders was taken over by another instance; a new one is started.",
        EventName = "LeaseLost")]
    public static partial void LeaseLost(ILogger log, string instance, int orders);

    [LoggerMessage(8, LogLevel.Information, "Took over the open-order log of instance {Instance}, whose last heartbeat was at {Heartbeat}.",
        EventName = "TookOver")]
    public static partial void TookOver(ILogger log, string instance, DateTimeOffset heartbeat);

    [LoggerMessage(9, LogLevel.Warning, "Event {EventId} on {Topic} was given up by the sidecar and is stored as dead letter {DeadLetterId}.",
        EventName = "DeadLetterStored")]
    private static partial void DeadLetterStored(ILogger log, string eventId, string topic, string deadLetterId, string orderId);

    public static void DeadLetterStored(ILogger log, string eventId, string topic, string deadLetterId) =>
        DeadLetterStored(log, eventId, topic, deadLetterId, EventIds.GetOrderId(eventId));

    [LoggerMessage(10, LogLevel.Information, "Event {EventId} was redriven from dead letter {DeadLetterId}.", EventName = "Redriven")]
    private static partial void Redriven(ILogger log, string eventId, string deadLetterId, string orderId);

    public static void Redriven(ILogger log, string eventId, string deadLetterId) =>
        Redriven(log, eventId, deadLetterId, EventIds.GetOrderId(eventId));

    [LoggerMessage(11, LogLevel.Error, "Event {EventId} failed again when it was redriven from dead letter {DeadLetterId}.", EventName = "RedriveFailed")]
    private static partial void RedriveFailed(ILogger log, Exception fault, string eventId, string deadLetterId, string orderId);

    public static void RedriveFailed(ILogger log, Exception fault, string eventId, string deadLetterId) =>
        RedriveFailed(log, fault, eventId, deadLetterId, EventIds.GetOrderId(eventId));

    [LoggerMessage(12, LogLevel.Information, "Event {EventId} in dead letter {DeadLetterId} was discarded.", EventName = "Discarded")]
    private static partial void Discarded(ILogger log, string eventId, string deadLetterId, string orderId);

    public static void Discarded(ILogger log, string eventId, string deadLetterId) =>
        Discarded(log, eventId, deadLetterId, EventIds.GetOrderId(eventId));

    [LoggerMessage(13, LogLevel.Warning, "Traces or metrics cannot be exported and are dropped: {Problem}. The export is retried; an outage is logged once.",
        EventName = "TracesLost")]
    public static partial void TracesLost(ILogger log, string problem);

    [LoggerMessage(22, LogLevel.Warning, "Callers are not authenticated (Auth__Mode=none): every client that reaches this service may call every method.",
        EventName = "CallersNotAuthenticated")]
    public static partial void CallersNotAuthenticated(ILogger log);

    [LoggerMessage(32, LogLevel.Information, "Stopping: not ready any more. Serves on for {Delay} s, and then finishes what is in progress.", EventName = "Draining")]
    public static partial void Draining(ILogger log, double delay);

    [LoggerMessage(33, LogLevel.Warning, "The log of open orders could not be left; another instance takes it over {Timeout} s after the last heartbeat: {Problem}",
        EventName = "LogNotLeft")]
    public static partial void LogNotLeft(ILogger log, double timeout, string problem);

    [LoggerMessage(20, LogLevel.Warning, "Traces or metrics: {Problem}", EventName = "TelemetryWarning")]
    public static partial void TelemetryWarning(ILogger log, string problem);

    [LoggerMessage(14, LogLevel.Error, "Event {EventId} on {Topic} could not be made a dead letter and will be redelivered: {Problem}",
        EventName = "DeadLetterNotStored")]
    private static partial void DeadLetterNotStored(ILogger log, string eventId, string topic, string problem, string orderId);

    public static void DeadLetterNotStored(ILogger log, string eventId, string topic, string problem) =>
        DeadLetterNotStored(log, eventId, topic, problem, EventIds.GetOrderId(eventId));

    [LoggerMessage(17, LogLevel.Error,
        "What attempts at event {EventId} on {Topic} have left could be neither released nor tracked. Redrive dead letter {DeadLetterId} after the cause is removed.",
        EventName = "DeadLetterNotRecovered")]
    private static partial void DeadLetterNotRecovered(ILogger log, Exception fault, string eventId, string topic, string deadLetterId, string orderId);

    public static void DeadLetterNotRecovered(ILogger log, Exception fault, string eventId, string topic, string deadLetterId) =>
        DeadLetterNotRecovered(log, fault, eventId, topic, deadLetterId, EventIds.GetOrderId(eventId));

    [LoggerMessage(24, LogLevel.Information, "Reserved for order {OrderId}: {Reference}.", EventName = "StepReserved")]
    public static partial void StepReserved(ILogger log, string orderId, string reference);

    [LoggerMessage(25, LogLevel.Information, "Rejected order {OrderId}: {Reason}: {Detail}", EventName = "StepRejected")]
    public static partial void StepRejected(ILogger log, string orderId, string reason, string detail);

    [LoggerMessage(26, LogLevel.Information, "Released what was held for order {OrderId}, which failed: {Reason} (something was held: {Undone}).",
        EventName = "StepReleased")]
    public static partial void StepReleased(ILogger log, string orderId, string reason, bool undone);

    [LoggerMessage(27, LogLevel.Information, "Settled what was held for order {OrderId}.", EventName = "StepSettled")]
    public static partial void StepSettled(ILogger log, string orderId);

    [LoggerMessage(28, LogLevel.Information, "Order {OrderId} was confirmed without this step, and holds nothing here.", EventName = "ConfirmedWithoutStep")]
    public static partial void ConfirmedWithoutStep(ILogger log, string orderId);

    [LoggerMessage(30, LogLevel.Warning, "{What}: {Count} more failed within {Seconds} s ({Kinds}). The last: {Problem}", EventName = "FaultsGoOn")]
    public static partial void FaultsGoOn(ILogger log, string what, int count, double seconds, string kinds, string problem);

    [LoggerMessage(31, LogLevel.Warning, "{What}: no more of them fail; {Count} did, within {Seconds:0.0} s.", EventName = "FaultsOver")]
    public static partial void FaultsOver(ILogger log, string what, int count, double seconds);
}
