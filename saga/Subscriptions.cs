using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga;

/// <summary>The events a service hears, and what it does on each.</summary>
public sealed class Subscriptions
{
    private readonly Dictionary<string, Heard> heard = [];

    public IReadOnlyCollection<string> Topics => heard.Keys;

    /// <summary>Hears an event on its topic. When <paramref name="handle"/> throws, the event is delivered again.</summary>
    /// <param name="step">What it does on it, as a trace shows it. Null: it takes note.</param>
    public Subscriptions On<T>(Func<T, CancellationToken, Task> handle, string? step = null) where T : IMessage<T>, new()
    {
        heard.Add(Event.TopicOf(new T().Descriptor.Name), new(json => Event.FromJson<T>(json), (message, stop) => handle((T)message, stop), step));
        return this;
    }

    /// <summary>Null: nothing is heard on this topic.</summary>
    internal Heard? On(string topic) => heard.GetValueOrDefault(topic);
}

/// <summary>How an event of one topic is read, and what is done about it.</summary>
internal sealed record Heard(Func<ByteString, IMessage> Read, Func<IMessage, CancellationToken, Task> Handle, string? Step);

/// <summary>What the sidecar calls: says what this service hears, and hears it.</summary>
/// <remarks>
/// An empty reply would mean success, and a gRPC error such as UNIMPLEMENTED would drop the event; so whatever goes wrong in a handler is
/// answered RETRY, and what can never be read is answered DROP, which puts it on the dead-letter topic at once.
/// </remarks>
internal sealed class AppCallbackService(Subscriptions subscriptions, DeadLetters deadLetters, AppId appId, ILogger<AppCallbackService> log) : AppCallback.AppCallbackBase
{
    public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(Empty request, ServerCallContext context)
    {
        var answer = new ListTopicSubscriptionsResponse();
        answer.Subscriptions.AddRange(subscriptions.Topics.Select(topic => new TopicSubscription
        {
            PubsubName = DaprSidecar.PubSub,
            Topic = topic,
            DeadLetterTopic = appId.DeadLetterTopic,
        }));
        // As it is: what is no CloudEvent would not be delivered otherwise.
        answer.Subscriptions.Add(new TopicSubscription { PubsubName = DaprSidecar.PubSub, Topic = appId.DeadLetterTopic, Metadata = { ["rawPayload"] = "true" } });
        return Task.FromResult(answer);
    }

    public override async Task<TopicEventResponse> OnTopicEvent(TopicEventRequest request, ServerCallContext context)
    {
        if (request.Topic == appId.DeadLetterTopic) return await KeepAsync(request, context.CancellationToken);
        if (subscriptions.On(request.Topic) is not { } heard)
        {
            SagaLog.NotHeardHere(log, request.Id, request.Topic);
            return new() { Status = Status.Drop };
        }
        using var step = SagaTrace.Hear(heard.Step, request.Topic, request.Id);
        try
        {
            await heard.Handle(heard.Read(request.Data), context.CancellationToken);
            return new() { Status = Status.Success };
        }
        catch (UnreadableEventException unreadable)
        {
            SagaLog.Unreadable(log, request.Id, request.Topic, unreadable.Message);
            step.Fail("dropped", unreadable.Message);
            return new() { Status = Status.Drop };
        }
        catch (Exception fault)
        {
            SagaLog.HandlerFailed(log, fault, request.Id, request.Topic);
            step.Fail("to be delivered again", fault.Message);
            return new() { Status = Status.Retry };
        }
    }

    private async Task<TopicEventResponse> KeepAsync(TopicEventRequest request, CancellationToken stop)
    {
        try
        {
            var letter = await deadLetters.KeepAsync(request.Data.ToByteArray(), stop);
            SagaLog.KeptDeadLetter(log, letter.EventId, letter.Topic, letter.Id);
            return new() { Status = Status.Success };
        }
        catch (Exception fault)
        {
            SagaLog.HandlerFailed(log, fault, request.Id, request.Topic);
            return new() { Status = Status.Retry };
        }
    }

    public override Task<ListInputBindingsResponse> ListInputBindings(Empty request, ServerCallContext context) =>
        Task.FromResult(new ListInputBindingsResponse());
}

/// <summary>Lets the sidecar hold deliveries back while this process cannot take them.</summary>
internal sealed class AppHealthService : AppCallbackHealthCheck.AppCallbackHealthCheckBase
{
    public override Task<HealthCheckResponse> HealthCheck(Empty request, ServerCallContext context) => Task.FromResult(new HealthCheckResponse());
}

/// <summary>The name under which the sidecar knows this service.</summary>
public sealed record AppId(string Name)
{
    /// <summary>Where events go that this service could not handle.</summary>
    public string DeadLetterTopic => $"{Name}-dead-letters";
}
