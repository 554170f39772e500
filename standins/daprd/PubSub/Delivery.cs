using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Daprd.Api;
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
    Subscription subscription, AppChannel app, string appApiToken, Publisher publisher, DeliveryPolicy policy, Spans spans, Action<string> warn)
{
    private static readonly TimeSpan DeadLetterTimeout = TimeSpan.FromSeconds(30);

    public Subscription Subscription => subscription;

    public AppChannel App => app;

    public DeliveryPolicy Policy => policy;

    /// <summary>Throws if the message was neither handled nor dead-lettered.</summary>
    public async Task HandleAsync(Message message, CancellationToken deadline, CancellationToken stopping)
    {
        try
        {
            var cloudEvent = Read(message);
            using var noRetry = CancellationTokenSource.CreateLinkedTokenSource(deadline, stopping);
            var status = await policy.RunAsync(
                async limit =>
                {
                    using var end = CancellationTokenSource.CreateLinkedTokenSource(limit, deadline);
                    return await AttemptAsync(cloudEvent, end.Token);
                },
                noRetry.Token);
            if (status == TopicEventResponseStatus.Drop) await DropAsync(message);
        }
        catch (Exception failure) when (!stopping.IsCancellationRequested && subscription.DeadLetterTopic.Length > 0)
        {
            await DeadLetterAsync(message, failure.Message);
        }
    }

    /// <summary>Throws if the message is not an event.</summary>
    public CloudEvent Read(Message message) => subscription.IsRaw ? CloudEvent.FromRaw(message, subscription.PubSubName) : CloudEvent.Parse(message.Data);

    /// <summary>The headers of a call that delivers events, without trace contexts.</summary>
    public Metadata Headers()
    {
        var headers = new Metadata { { "pubsubname", subscription.PubSubName } };
        if (appApiToken.Length > 0) headers.Add(ApiToken.Header, appApiToken);
        return headers;
    }

    /// <summary>Starts the span of an attempt to deliver an event, and adds its context to the headers.</summary>
    public Span Start(CloudEvent cloudEvent, Metadata headers)
    {
        var span = spans.Start($"pubsub/{subscription.Topic}", ActivityKind.Client, TraceContext.FromEnvelope(cloudEvent.TraceParent));
        spans.AddTo(headers, span.Context);
        return span;
    }

    /// <summary>The app has answered DROP.</summary>
    public async Task DropAsync(Message message)
    {
        if (subscription.DeadLetterTopic.Length > 0) await DeadLetterAsync(message, "the app dropped it");
        else warn($"an event of topic {message.Topic} was dropped by the app");
    }

    /// <summary>As daprd does: an app without the method has handled the event.</summary>
    public void WarnOfUnimplemented() => warn($"an event of topic {subscription.Topic} is lost: the app answers UNIMPLEMENTED");

    public async Task DeadLetterAsync(Message message, string reason)
    {
        warn($"an event of topic {message.Topic} goes to the dead letter topic {subscription.DeadLetterTopic}: {reason}");
        using var limit = new CancellationTokenSource(DeadLetterTimeout);
        await publisher.ForwardAsync(subscription.PubSubName, message with { Topic = subscription.DeadLetterTopic }, limit.Token);
    }

    private async Task<TopicEventResponseStatus> AttemptAsync(CloudEvent cloudEvent, CancellationToken end)
    {
        var headers = Headers();
        using var span = Start(cloudEvent, headers);
        try
        {
            var response = await app.DeliverAsync(cloudEvent.ForApp(subscription), headers, end);
            return response.Status is TopicEventResponseStatus.Success or TopicEventResponseStatus.Drop ? response.Status : throw new RetryRequestedException();
        }
        catch (RpcException failure) when (failure.StatusCode == StatusCode.Unimplemented)
        {
            span.Fail(failure.Status.Detail);
            WarnOfUnimplemented();
            return TopicEventResponseStatus.Success;
        }
        catch (RpcException failure)
        {
            span.Fail(failure.Status.Detail);
            throw;
        }
    }
}

/// <summary>The app requested a redelivery.</summary>
internal sealed class RetryRequestedException() : Exception("the app answered RETRY");
