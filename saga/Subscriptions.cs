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

/// <summary>Hears events: does what is to be done on each, and answers how it went.</summary>
/// <remarks>
/// An empty reply would mean success, and a gRPC error such as UNIMPLEMENTED would drop the event; so whatever goes wrong in a handler is
/// answered RETRY, and what can never be read is answered DROP, which puts it on the dead-letter topic at once.
/// </remarks>
internal sealed class Hearing(Subscriptions subscriptions, DeadLetters deadLetters, Turns turns, AppId appId, ILogger<Hearing> log)
{
    private readonly Attempts attempts = new();

    public Task<Status> HearAsync(TopicEventRequest request, CancellationToken stop) => turns.RunAsync(() =>
        request.Topic == appId.DeadLetterTopic
            ? KeepAsync(request, stop)
            : HearAsync(request.Topic, request.Id, request.Data, parent: null, stop));

    /// <summary>The events of a batch go on side by side, each step of all of them together; each has its own answer.</summary>
    public Task<TopicEventBulkResponse> HearAsync(TopicEventBulkRequest request, CancellationToken stop) => turns.RunAsync(async () =>
    {
        var answers = await Task.WhenAll(request.Entries.Select(async entry => new TopicEventBulkResponseEntry
        {
            EntryId = entry.EntryId,
            Status = await HearAsync(request.Topic, entry.CloudEvent?.Id ?? "", entry.CloudEvent?.Data ?? ByteString.Empty, ParentOf(entry.CloudEvent), stop),
        }));
        return new TopicEventBulkResponse { Statuses = { answers } };
    });

    /// <param name="parent">The W3C traceparent of what said it. Null: this is called in its trace.</param>
    private async Task<Status> HearAsync(string topic, string id, ByteString data, string? parent, CancellationToken stop)
    {
        if (subscriptions.On(topic) is not { } heard)
        {
            SagaLog.NotHeardHere(log, id, topic);
            return Status.Drop;
        }
        var attempt = attempts.NextOf(id);
        using var step = SagaTrace.Hear(heard.Step, topic, id, attempt, parent);
        try
        {
            await heard.Handle(heard.Read(data), stop);
            attempts.Succeeded(id, attempt);
            return Status.Success;
        }
        catch (UnreadableEventException unreadable)
        {
            SagaLog.Unreadable(log, id, topic, unreadable.Message);
            step.Fail("dropped", unreadable.Message);
            return Status.Drop;
        }
        catch (Exception fault)
        {
            attempts.Failed(id, attempt);
            SagaLog.HandlerFailed(log, fault, id, topic, attempt);
            step.Fail("to be delivered again", fault.Message);
            return Status.Retry;
        }
    }

    private async Task<Status> KeepAsync(TopicEventRequest request, CancellationToken stop)
    {
        try
        {
            var letter = await deadLetters.KeepAsync(request.Data.ToByteArray(), stop);
            SagaLog.KeptDeadLetter(log, letter.EventId, letter.Topic, letter.Id);
            return Status.Success;
        }
        catch (Exception fault)
        {
            SagaLog.NotKept(log, fault, request.Id, request.Topic);
            return Status.Retry;
        }
    }

    // The call that brings a batch is in nobody's trace; each envelope says its own.
    private static string? ParentOf(TopicEventCERequest? envelope) =>
        envelope?.Extensions?.Fields.GetValueOrDefault("traceparent")?.StringValue is { Length: > 0 } parent ? parent : null;
}

/// <summary>What the sidecar calls: says what this service hears, and hears it.</summary>
internal sealed class AppCallbackService(Hearing hearing, Subscriptions subscriptions, AppId appId) : AppCallback.AppCallbackBase
{
    /// <summary>
    /// Events that come while others are being handled are handed over together. A sidecar holds even a lone event back for the whole
    /// wait, in milliseconds, of which there is none shorter.
    /// </summary>
    private static readonly BulkSubscribeConfig InBatches = new() { Enabled = true, MaxMessagesCount = 100, MaxAwaitDurationMs = 1 };

    public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(Empty request, ServerCallContext context)
    {
        var answer = new ListTopicSubscriptionsResponse();
        answer.Subscriptions.AddRange(subscriptions.Topics.Select(topic => new TopicSubscription
        {
            PubsubName = DaprSidecar.PubSub,
            Topic = topic,
            DeadLetterTopic = appId.DeadLetterTopic,
            BulkSubscribe = InBatches,
        }));
        // As it is: what is no CloudEvent would not be delivered otherwise.
        answer.Subscriptions.Add(new TopicSubscription { PubsubName = DaprSidecar.PubSub, Topic = appId.DeadLetterTopic, Metadata = { ["rawPayload"] = "true" } });
        return Task.FromResult(answer);
    }

    public override async Task<TopicEventResponse> OnTopicEvent(TopicEventRequest request, ServerCallContext context) =>
        new() { Status = await hearing.HearAsync(request, context.CancellationToken) };

    public override Task<TopicEventBulkResponse> OnBulkTopicEvent(TopicEventBulkRequest request, ServerCallContext context) =>
        hearing.HearAsync(request, context.CancellationToken);

    public override Task<ListInputBindingsResponse> ListInputBindings(Empty request, ServerCallContext context) =>
        Task.FromResult(new ListInputBindingsResponse());
}

/// <summary>The name under which a sidecar before 1.17 brings batches; without it, it would take them for handled.</summary>
internal sealed class AppCallbackAlphaService(Hearing hearing) : AppCallbackAlpha.AppCallbackAlphaBase
{
#pragma warning disable CS0672 // The package calls it obsolete; those sidecars do not.
    public override Task<TopicEventBulkResponse> OnBulkTopicEventAlpha1(TopicEventBulkRequest request, ServerCallContext context) =>
        hearing.HearAsync(request, context.CancellationToken);
#pragma warning restore CS0672
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
