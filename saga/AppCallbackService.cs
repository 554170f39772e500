using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Configuration;

namespace Saga;

/// <summary>What the sidecar calls: tells it the subscriptions, and takes its deliveries.</summary>
/// <remarks>
/// Subscriptions are plain, one event to a call, unless Saga:BulkSubscribe says otherwise: a bulk subscription of a component without native bulk
/// support is serial per topic, so one event that is retried holds up its whole topic (docs/adr/0011-plain-subscriptions.md). Never read ServerCallContext.RequestHeaders here: it throws on the repeated binary headers of a bulk call.
/// </remarks>
internal sealed class AppCallbackService(EventDispatcher dispatcher, EventLoop eventLoop, Subscriptions subscriptions, SubscriptionProbe probe, AppId appId, IConfiguration configuration)
    : AppCallback.AppCallbackBase
{
    /// <summary>A sidecar holds even a lone event back for the whole wait, in milliseconds, of which there is none shorter.</summary>
    private static readonly BulkSubscribeConfig InBulk = new() { Enabled = true, MaxMessagesCount = SagaHost.BulkMessagesMax, MaxAwaitDurationMs = 1 };

    public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(Empty request, ServerCallContext context)
    {
        probe.SubscriptionsRead();
        var answer = new ListTopicSubscriptionsResponse();
        answer.Subscriptions.AddRange(subscriptions.Topics.Select(topic => new TopicSubscription
        {
            PubsubName = DaprSidecar.PubSub,
            Topic = topic,
            DeadLetterTopic = appId.DeadLetterTopic,
            BulkSubscribe = configuration.GetValue("Saga:BulkSubscribe", false) ? InBulk : null,
        }));
        // Raw: what is no CloudEvent would not be delivered otherwise.
        answer.Subscriptions.Add(new TopicSubscription { PubsubName = DaprSidecar.PubSub, Topic = appId.DeadLetterTopic, Metadata = { ["rawPayload"] = "true" } });
        return Task.FromResult(answer);
    }

    public override async Task<TopicEventResponse> OnTopicEvent(TopicEventRequest request, ServerCallContext context) => new()
    {
        Status = await eventLoop.RunAsync(() => dispatcher.DispatchAsync(
            new(request.Topic, request.Id, request.Data, TimeOf(request.Extensions)), context.CancellationToken)),
    };

    public override Task<TopicEventBulkResponse> OnBulkTopicEvent(TopicEventBulkRequest request, ServerCallContext context) =>
        DispatchAsync(request, dispatcher, eventLoop, context.CancellationToken);

    public override Task<ListInputBindingsResponse> ListInputBindings(Empty request, ServerCallContext context) =>
        Task.FromResult(new ListInputBindingsResponse());

    /// <summary>Each entry has its own answer, so that only one that met a fault of the world is delivered again.</summary>
    internal static Task<TopicEventBulkResponse> DispatchAsync(TopicEventBulkRequest request, EventDispatcher dispatcher, EventLoop eventLoop, CancellationToken ct) =>
        eventLoop.RunAsync(async () =>
        {
            var answers = await Task.WhenAll(request.Entries.Select(async entry => new TopicEventBulkResponseEntry
            {
                EntryId = entry.EntryId,
                Status = await dispatcher.DispatchAsync(
                    // The call that brings a batch is in no trace; each envelope names its own.
                    new(request.Topic, entry.CloudEvent?.Id ?? "", entry.CloudEvent?.Data ?? entry.Bytes, TimeOf(entry.CloudEvent?.Extensions), TextOf(entry.CloudEvent?.Extensions, "traceparent")), ct),
            }));
            return new TopicEventBulkResponse { Statuses = { answers } };
        });

    private static DateTimeOffset? TimeOf(Struct? extensions) =>
        DateTimeOffset.TryParse(TextOf(extensions, "time"), null, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    private static string? TextOf(Struct? extensions, string name) =>
        extensions?.Fields.GetValueOrDefault(name)?.StringValue is { Length: > 0 } text ? text : null;
}

/// <summary>The name under which a sidecar before 1.17 delivers batches; unanswered, it would take them for handled.</summary>
internal sealed class AppCallbackAlphaService(EventDispatcher dispatcher, EventLoop eventLoop) : AppCallbackAlpha.AppCallbackAlphaBase
{
#pragma warning disable CS0672 // The package calls it obsolete; those sidecars do not.
    public override Task<TopicEventBulkResponse> OnBulkTopicEventAlpha1(TopicEventBulkRequest request, ServerCallContext context) =>
        AppCallbackService.DispatchAsync(request, dispatcher, eventLoop, context.CancellationToken);
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
    /// <summary>Where events go that the sidecar could not deliver.</summary>
    public string DeadLetterTopic => $"{Name}-dead-letters";
}
