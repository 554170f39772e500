using System.Diagnostics;
using Daprd.App;
using Daprd.Resiliency;
using Daprd.Tracing;
using Grpc.Core;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Daprd.PubSub;

/// <summary>
/// Delivers the messages of one subscription to the app, with the retries of the inbound policy. Messages that still fail, that the app
/// drops or that cannot be delivered go to the dead letter topic if there is one.
/// </summary>
internal sealed class Delivery(
    Subscription subscription, AppChannel app, string appApiToken, Publisher publisher, Policy policy, Spans spans, Action<string> warn, TimeProvider time)
{
    private static readonly TimeSpan DeadLetterTimeout = TimeSpan.FromSeconds(30);
    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>();

    /// <summary>Throws if the message was neither handled nor dead-lettered.</summary>
    public async Task HandleAsync(Message message, CancellationToken deadline, CancellationToken stopping)
    {
        string? givenUp;
        try
        {
            using var cloudEvent = CloudEvent.Parse(subscription.IsRaw ? Envelope.WrapRaw(message, subscription.PubSubName) : message.Data);
            givenUp = await DeliverAsync(cloudEvent, message, deadline, stopping);
        }
        catch (Exception failure) when (!stopping.IsCancellationRequested && subscription.DeadLetterTopic.Length > 0)
        {
            givenUp = failure.Message;
        }

        if (givenUp is null) return;
        if (subscription.DeadLetterTopic.Length > 0) await DeadLetterAsync(message, givenUp);
        else warn($"an event of topic {message.Topic} was dropped: {givenUp}");
    }

    /// <summary>Null when the app has handled the event; otherwise why it is dropped.</summary>
    private async Task<string?> DeliverAsync(CloudEvent cloudEvent, Message message, CancellationToken deadline, CancellationToken stopping)
    {
        if (cloudEvent.HasExpired(time.GetUtcNow())) return "it had expired";
        if (subscription.Routes.Count == 0) return "no route matches it";
        var status = deadline.CanBeCanceled
            ? await DispatchAsync(cloudEvent, message, deadline, stopping)
            : await policy.RunAsync(limit => AttemptAsync(cloudEvent, message, limit), stopping);
        return status == TopicEventResponseStatus.Drop ? "the app dropped it" : null;
    }

    /// <summary>Retries until the deadline, which also cancels the current attempt.</summary>
    private async Task<TopicEventResponseStatus> DispatchAsync(CloudEvent cloudEvent, Message message, CancellationToken deadline, CancellationToken stopping)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(deadline, stopping);
        return await policy.RunAsync(
            async limit =>
            {
                using var end = CancellationTokenSource.CreateLinkedTokenSource(limit, deadline);
                return await AttemptAsync(cloudEvent, message, end.Token);
            },
            ended.Token);
    }

    private async Task<TopicEventResponseStatus> AttemptAsync(CloudEvent cloudEvent, Message message, CancellationToken limit)
    {
        var request = cloudEvent.ForApp(message.Topic, subscription.PubSubName, subscription.Routes[0].Path);
        using var span = spans.Start($"pubsub/{message.Topic}", ActivityKind.Client, TraceContext.FromEnvelope(cloudEvent.TraceParent));
        span.SetTopic(message.Topic);
        try
        {
            var response = await app.DeliverAsync(request, Headers(message, span.Context), limit);
            return response.Status is TopicEventResponseStatus.Success or TopicEventResponseStatus.Drop
                ? response.Status
                : throw new RetryRequestedException();
        }
        catch (RpcException failure) when (failure.StatusCode != StatusCode.Unimplemented)
        {
            span.Fail(failure.Status.Detail);
            throw;
        }
        catch (RpcException unknown)
        {
            span.Fail(unknown.Status.Detail);
            warn($"the app does not implement OnTopicEvent; an event of topic {message.Topic} counts as processed");
            return TopicEventResponseStatus.Success;
        }
    }

    private Metadata Headers(Message message, TraceContext trace)
    {
        var headers = new Metadata();
        foreach (var (name, value) in message.Metadata ?? NoMetadata)
        {
            var lower = name.ToLowerInvariant();
            if (lower is not ("content-type" or "content-length" or "pubsubname") && !lower.EndsWith("-bin", StringComparison.Ordinal))
            {
                headers.Add(lower, value);
            }
        }

        headers.Add("pubsubname", subscription.PubSubName);
        if (appApiToken.Length > 0) headers.Add("dapr-api-token", appApiToken);
        spans.AddTo(headers, trace);
        return headers;
    }

    private async Task DeadLetterAsync(Message message, string reason)
    {
        warn($"an event of topic {message.Topic} goes to the dead letter topic {subscription.DeadLetterTopic}: {reason}");
        using var limit = new CancellationTokenSource(DeadLetterTimeout, time);
        var metadata = new Dictionary<string, string>(message.Metadata ?? NoMetadata) { ["pubsubName"] = subscription.PubSubName };
        await publisher.ForwardAsync(subscription.PubSubName, new Message(subscription.DeadLetterTopic, message.Data, metadata), limit.Token);
    }
}

/// <summary>The app requested a redelivery.</summary>
internal sealed class RetryRequestedException() : Exception("the app answered RETRY");
