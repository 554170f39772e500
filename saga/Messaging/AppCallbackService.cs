using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Hosting;
using Saga.Commands;
using Saga.Dapr;

namespace Saga.Messaging;

/// <summary>The app callback API of Dapr: returns the subscriptions and takes deliveries.</summary>
/// <remarks>
/// Subscriptions are plain, one event per call, unless Saga:BulkSubscribe is true: a bulk subscription of a component without native bulk support
/// is serial per topic, so that one retried event delays its whole topic (docs/adr/0011-plain-subscriptions.md). Do not read
/// ServerCallContext.RequestHeaders here: it throws on the repeated binary headers of a bulk call.
/// </remarks>
internal sealed class AppCallbackService(EventDispatcher dispatcher, Subscriptions subscriptions, SubscriptionDiscovery discovery, AppId appId)
    : AppCallback.AppCallbackBase
{
    /// <summary>Events per bulk delivery, at most: daprd's own default of maxMessagesCount.</summary>
    internal const int MaxBatchSize = 100;

    /// <summary>A sidecar delays even a single event by the whole wait, of which 1 ms is the shortest.</summary>
    private static readonly BulkSubscribeConfig InBulk = new() { Enabled = true, MaxMessagesCount = MaxBatchSize, MaxAwaitDurationMs = 1 };

    public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(Empty request, ServerCallContext context)
    {
        discovery.SetRead();
        var answer = new ListTopicSubscriptionsResponse();
        answer.Subscriptions.AddRange(subscriptions.Topics.Select(topic => new TopicSubscription
        {
            PubsubName = DaprSidecar.PubSub,
            Topic = topic,
            DeadLetterTopic = appId.DeadLetterTopic,
            BulkSubscribe = subscriptions.InBulk ? InBulk : null,
        }));
        // Raw: a payload that is not a CloudEvent would not be delivered otherwise.
        answer.Subscriptions.Add(
            new TopicSubscription { PubsubName = DaprSidecar.PubSub, Topic = appId.DeadLetterTopic, Metadata = { ["rawPayload"] = "true" } });
        return Task.FromResult(answer);
    }

    public override async Task<TopicEventResponse> OnTopicEvent(TopicEventRequest request, ServerCallContext context) => new()
    {
        Status = await dispatcher.DispatchAsync(new(request.Topic, request.Id, request.Data, GetTime(request.Extensions)), context.CancellationToken),
    };

    public override Task<TopicEventBulkResponse> OnBulkTopicEvent(TopicEventBulkRequest request, ServerCallContext context) =>
        DispatchAsync(request, dispatcher, context.CancellationToken);

    public override Task<ListInputBindingsResponse> ListInputBindings(Empty request, ServerCallContext context) =>
        Task.FromResult(new ListInputBindingsResponse());

    /// <summary>Each entry has its own status, so that only the one that met a transient fault is redelivered.</summary>
    internal static async Task<TopicEventBulkResponse> DispatchAsync(TopicEventBulkRequest request, EventDispatcher dispatcher, CancellationToken ct)
    {
        var answers = await Task.WhenAll(request.Entries.Select(async entry => new TopicEventBulkResponseEntry
        {
            EntryId = entry.EntryId,
            Status = await dispatcher.DispatchAsync(
                // The delivering call is not traced; each envelope has its own trace.
                new(request.Topic, entry.CloudEvent?.Id ?? "", entry.CloudEvent?.Data ?? entry.Bytes,
                    GetTime(entry.CloudEvent?.Extensions), GetText(entry.CloudEvent?.Extensions, "traceparent")), ct),
        }));
        return new TopicEventBulkResponse { Statuses = { answers } };
    }

    private static DateTimeOffset? GetTime(Struct? extensions) =>
        DateTimeOffset.TryParse(GetText(extensions, "time"), null, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    private static string? GetText(Struct? extensions, string name) =>
        extensions?.Fields.GetValueOrDefault(name)?.StringValue is { Length: > 0 } text ? text : null;
}

/// <summary>The service by which a sidecar before 1.17 delivers batches. It would take an unanswered batch for handled.</summary>
internal sealed class AppCallbackAlphaService(EventDispatcher dispatcher) : AppCallbackAlpha.AppCallbackAlphaBase
{
#pragma warning disable CS0672 // Obsolete in the package, in use by those sidecars.
    public override Task<TopicEventBulkResponse> OnBulkTopicEventAlpha1(TopicEventBulkRequest request, ServerCallContext context) =>
        AppCallbackService.DispatchAsync(request, dispatcher, context.CancellationToken);
#pragma warning restore CS0672
}

/// <summary>App health checks: the sidecar pauses deliveries while this process does not answer, or is stopping.</summary>
internal sealed class AppHealthService(IHostApplicationLifetime lifetime) : AppCallbackHealthCheck.AppCallbackHealthCheckBase
{
    public override Task<HealthCheckResponse> HealthCheck(Empty request, ServerCallContext context) =>
        lifetime.ApplicationStopping.IsCancellationRequested
            ? throw new RejectedException(new(StatusCode.Unavailable, "The service is stopping."))
            : Task.FromResult(new HealthCheckResponse());
}
