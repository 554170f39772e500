using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga;

/// <summary>An event as the sidecar delivers it.</summary>
/// <param name="EventId">The CloudEvent's id.</param>
/// <param name="PublishedAt">Null: the envelope does not say.</param>
/// <param name="TraceParent">W3C traceparent of the publisher. Null: the delivering call is in its trace.</param>
internal sealed record Delivery(string Topic, string EventId, ByteString Data, DateTimeOffset? PublishedAt = null, string? TraceParent = null);

/// <summary>Hands events to their handlers and tells the sidecar how it went.</summary>
/// <remarks>
/// Only a fault of the world is answered RETRY. What can never succeed (not the topic's event, an event that breaks its contract, an order that
/// does not exist, a contradiction, a bug) is stored as a dead letter with its reason and answered SUCCESS at the first attempt: a retry would
/// not help it, and would hold a worker of the sidecar, or with bulk subscriptions the whole topic, for as long as the resiliency policy lasts.
/// Dropping it by status would lose the reason. The order itself is not lost with the event: the sweeps see to every open order.
/// </remarks>
internal sealed class EventDispatcher(Subscriptions subscriptions, DeadLetters deadLetters, AppId appId, TimeProvider clock, ILogger<EventDispatcher> log) : IDisposable
{
    private readonly DeliveryAttempts attempts = new();

    /// <summary>An outage fails every delivery, and none of them says anything new.</summary>
    private readonly FaultLog faults = new("Deliveries", clock, log, overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    public Task<Status> DispatchAsync(Delivery delivery, CancellationToken ct)
    {
        if (delivery.Topic == appId.DeadLetterTopic) return StoreDeadLetterAsync(delivery, ct);
        if (subscriptions.On(delivery.Topic) is { } handler) return DispatchAsync(delivery, handler, () => handler.Parse(delivery.Data), ct);
        return RejectAsync(delivery, $"The topic {delivery.Topic} is not subscribed to here.", null, ct);
    }

    /// <param name="parse">Gives the event; what it throws is a reason to reject it.</param>
    internal async Task<Status> DispatchAsync(Delivery delivery, TopicHandler handler, Func<IMessage> parse, CancellationToken ct)
    {
        var attempt = attempts.NextOf(delivery.EventId);
        using var step = SagaTracing.StartConsume(handler.Step, delivery.Topic, delivery.EventId, attempt, delivery.TraceParent);
        try
        {
            await handler.HandleAsync(EventRules.Read(delivery.Topic, parse), ct);
            attempts.Succeeded(delivery.EventId, attempt);
            return Status.Success;
        }
        catch (Exception fault) when (Faults.IsTransient(fault))
        {
            attempts.Failed(delivery.EventId, attempt);
            var cause = Faults.CauseOf(fault);
            if (faults.Begins(delivery.Topic, cause)) SagaLog.HandlerFailed(log, delivery.EventId, delivery.Topic, attempt, cause);
            step.Fail("to be delivered again", fault.Message);
            return Status.Retry;
        }
        catch (Exception fault)
        {
            step.Fail("rejected", fault.Message);
            // An expected reason says all; the stack of a bug is worth having.
            return await RejectAsync(delivery, fault.Message, fault is UnreadableEventException or UnprocessableEventException ? null : fault, ct);
        }
    }

    private async Task<Status> RejectAsync(Delivery delivery, string reason, Exception? bug, CancellationToken ct)
    {
        try
        {
            var letter = await deadLetters.StoreAsync(delivery, reason, ct);
            SagaLog.EventRejected(log, bug, delivery.EventId, delivery.Topic, letter.Id, reason);
            return Status.Success;
        }
        catch (Exception fault)
        {
            var cause = Faults.CauseOf(fault);
            if (faults.Begins(delivery.Topic, cause)) SagaLog.DeadLetterNotStored(log, delivery.EventId, delivery.Topic, cause);
            return Status.Retry;
        }
    }

    /// <summary>Stores what the sidecar has given up.</summary>
    private async Task<Status> StoreDeadLetterAsync(Delivery delivery, CancellationToken ct)
    {
        try
        {
            var letter = await deadLetters.StoreAsync(delivery.Data.ToByteArray(), ct);
            SagaLog.KeptDeadLetter(log, letter.EventId, letter.Topic, letter.Id);
            return Status.Success;
        }
        catch (Exception fault)
        {
            var cause = Faults.CauseOf(fault);
            if (faults.Begins(delivery.Topic, cause)) SagaLog.DeadLetterNotStored(log, delivery.EventId, delivery.Topic, cause);
            return Status.Retry;
        }
    }
}
