using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.State;
using Saga.Telemetry;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Messaging;

/// <summary>An event as the sidecar delivers it.</summary>
/// <param name="EventId">The CloudEvent's id. The publisher chooses it, so it is shortened.</param>
/// <param name="PublishedAt">Null: the envelope has no time.</param>
/// <param name="TraceParent">W3C traceparent of the publisher. Null: the delivering call carries it.</param>
internal sealed record Delivery(string Topic, string EventId, ByteString Data, DateTimeOffset? PublishedAt = null, string? TraceParent = null)
{
    public string Topic { get; } = Shortened.To(DeadLetters.NameMax, Topic);

    public string EventId { get; } = Shortened.To(DeadLetters.NameMax, EventId);
}

/// <summary>Dispatches delivered events to their handlers and answers the sidecar.</summary>
/// <remarks>
/// Only a transient fault is answered RETRY. An event that can never succeed (not the topic's event, a broken contract, an unknown order, a
/// contradiction, a bug) is stored as a dead letter with its reason and answered SUCCESS at the first attempt: a retry would fail the same way
/// and occupy a worker of the sidecar, or with bulk subscriptions the whole topic, until the resiliency policy gives up. DROP would lose the
/// reason. The order is not lost with its event: the sweeps finish every open order.
/// </remarks>
internal sealed class EventDispatcher(
    Subscriptions subscriptions, DeadLetters deadLetters, AppId appId, TimeProvider clock, ILogger<EventDispatcher> log)
    : IDisposable
{
    private readonly DeliveryAttempts attempts = new();

    /// <summary>An outage fails every delivery with the same message.</summary>
    private readonly FaultLog faults = new("Deliveries", clock, log, overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    public Task<Status> DispatchAsync(Delivery delivery, CancellationToken ct)
    {
        SagaMetrics.CountOperation("deliver");
        if (delivery.Topic == appId.DeadLetterTopic) return StoreDeadLetterAsync(delivery, ct);
        if (subscriptions.On(delivery.Topic) is { } handler) return DispatchAsync(delivery, handler, () => handler.Parse(delivery.Data), ct);
        return DeadLetterAsync(delivery, $"The topic {delivery.Topic} is not subscribed to here.", null, _ => Task.CompletedTask, ct);
    }

    /// <param name="parse">Returns the event, or throws the reason to reject it.</param>
    internal async Task<Status> DispatchAsync(Delivery delivery, TopicHandler handler, Func<IMessage> parse, CancellationToken ct)
    {
        var attempt = attempts.GetNext(delivery.EventId);
        using var span = SagaTracing.StartConsume(handler.SpanName, delivery.Topic, delivery.EventId, attempt, delivery.TraceParent);
        try
        {
            await handler.HandleAsync(EventRules.Read(delivery.Topic, parse), ct);
            attempts.Succeeded(delivery.EventId, attempt);
            return Status.Success;
        }
        catch (Exception fault) when (Faults.IsTransient(fault))
        {
            attempts.Failed(delivery.EventId, attempt);
            var cause = Faults.GetCause(fault);
            if (faults.Begins(delivery.Topic, cause)) SagaLog.HandlerFailed(log, delivery.EventId, delivery.Topic, attempt, cause);
            span.Fail("to be redelivered", fault.Message);
            return Status.Retry;
        }
        catch (Exception fault)
        {
            span.Fail("rejected", fault.Message);
            // Only a bug needs its stack trace in the log.
            return await DeadLetterAsync(
                delivery, fault.Message, fault is UnreadableEventException or UnprocessableEventException ? null : fault,
                letter => RecoverAsync(letter, handler, parse, ct), ct);
        }
    }

    private async Task<Status> DeadLetterAsync(
        Delivery delivery, string reason, Exception? bug, Func<DeadLetter, Task> recoverAsync, CancellationToken ct)
    {
        try
        {
            var letter = await deadLetters.StoreAsync(delivery, reason, ct);
            SagaLog.EventRejected(log, bug, delivery.EventId, delivery.Topic, letter.Id, letter.Problem!);
            await recoverAsync(letter);
            return Status.Success;
        }
        catch (Exception fault)
        {
            return AnswerNotStored(delivery, fault);
        }
    }

    /// <summary>Stores an event for which the sidecar used up its retries.</summary>
    private async Task<Status> StoreDeadLetterAsync(Delivery delivery, CancellationToken ct)
    {
        try
        {
            var letter = await deadLetters.StoreAsync(delivery.Data.ToByteArray(), ct);
            SagaLog.DeadLetterStored(log, letter.EventId, letter.Topic, letter.Id);
            if (subscriptions.On(letter.Topic) is { } handler)
            {
                await RecoverAsync(letter, handler, () => handler.Parse(ByteString.CopyFrom(letter.Data)), ct);
            }
            return Status.Success;
        }
        catch (Exception fault)
        {
            return AnswerNotStored(delivery, fault);
        }
    }

    private Status AnswerNotStored(Delivery delivery, Exception fault)
    {
        var cause = Faults.GetCause(fault);
        if (faults.Begins(delivery.Topic, cause)) SagaLog.DeadLetterNotStored(log, delivery.EventId, delivery.Topic, cause);
        return Status.Retry;
    }

    /// <summary>Releases, or tracks again, what the attempts at a dead letter have left. A transient fault gets the delivery repeated.</summary>
    private async Task RecoverAsync(DeadLetter letter, TopicHandler handler, Func<IMessage> parse, CancellationToken ct)
    {
        if (handler.RecoverDeadLetteredAsync is not { } recoverAsync) return;
        try
        {
            await recoverAsync(EventRules.Read(letter.Topic, parse), ct);
        }
        catch (UnreadableEventException)
        {
            // No attempt got as far as its handler.
        }
        catch (Exception fault) when (!Faults.IsTransient(fault))
        {
            SagaLog.DeadLetterNotRecovered(log, fault, letter.EventId, letter.Topic, letter.Id);
        }
    }
}
