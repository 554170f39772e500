using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Daprd.App;
using Daprd.Resiliency;
using Daprd.Tracing;
using Google.Protobuf;
using Grpc.Core;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Daprd.PubSub;

/// <summary>
/// Delivers batches of one subscription to the app. The inbound policy retries only the failed entries of a batch. Entries that still fail
/// after the retries go to the dead letter topic if there is one; dropped and expired events go there at once.
/// </summary>
internal sealed class BulkDelivery(
    Subscription subscription, AppChannel app, string appApiToken, Publisher publisher, Policy policy, Spans spans, Action<string> warn, TimeProvider time)
{
    private const string EventType = "com.dapr.event.sent.bulk";
    private static readonly TimeSpan DeadLetterTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The state of one message of a batch.</summary>
    private sealed class Entry(Message message)
    {
        public Message Message => message;

        /// <summary>Null when the message is not delivered to the app.</summary>
        public TopicEventBulkRequestEntry? Request { get; set; }

        /// <summary>From the envelope; none for a raw payload.</summary>
        public TraceContext Trace { get; set; } = TraceContext.None;

        /// <summary>The last failure; null when handled or not attempted yet.</summary>
        public Exception? Failure { get; set; }
    }

    public async Task<IReadOnlyList<Exception?>> HandleAsync(IReadOnlyList<Message> batch, CancellationToken stopping)
    {
        var entries = batch.Select(m => new Entry(m)).ToList();
        foreach (var entry in entries) await PrepareAsync(entry);
        var pending = entries.Where(e => e.Request is not null).ToList();
        if (pending.Count > 0) await DispatchAsync(pending, stopping);
        var failed = entries.Where(e => e.Failure is not null).ToList();
        if (failed.Count > 0 && subscription.DeadLetterTopic.Length > 0) await GiveUpAsync(failed);
        return [.. entries.Select(e => e.Failure)];
    }

    private async Task PrepareAsync(Entry entry)
    {
        try
        {
            var request = new TopicEventBulkRequestEntry { EntryId = Guid.NewGuid().ToString() };
            if (entry.Message.Metadata is { } metadata) request.Metadata.Add(new Dictionary<string, string>(metadata));
            if (subscription.IsRaw) request.Bytes = UnsafeByteOperations.UnsafeWrap(entry.Message.Data);
            else
            {
                using var cloudEvent = CloudEvent.Parse(entry.Message.Data);
                if (cloudEvent.HasExpired(time.GetUtcNow()))
                {
                    await DropAsync(entry, "it had expired");
                    return;
                }

                request.CloudEvent = cloudEvent.ForBatch();
                entry.Trace = TraceContext.FromEnvelope(cloudEvent.TraceParent);
            }

            // In bulk, an event that matches no route is dropped and, unlike a single one, delivered as well.
            if (subscription.Routes.Count == 0) await DropAsync(entry, "no route matches it");
            entry.Request = request;
        }
        catch (Exception broken)
        {
            entry.Failure = broken;
        }
    }

    private async Task DispatchAsync(List<Entry> pending, CancellationToken stopping)
    {
        try
        {
            await policy.RunAsync(
                async limit =>
                {
                    using var end = CancellationTokenSource.CreateLinkedTokenSource(limit, stopping);
                    await AttemptAsync(pending, end.Token);
                },
                stopping);
        }
        catch (Exception failure) when (!stopping.IsCancellationRequested)
        {
            foreach (var entry in pending) entry.Failure ??= failure;
        }
    }

    /// <summary>Removes handled entries from <paramref name="pending"/>; throws if any remain.</summary>
    private async Task AttemptAsync(List<Entry> pending, CancellationToken end)
    {
        var request = new TopicEventBulkRequest
        {
            Id = Guid.NewGuid().ToString(),
            Topic = pending[0].Message.Topic,
            PubsubName = subscription.PubSubName,
            Type = EventType,
            Path = subscription.Routes.Count > 0 ? subscription.Routes[0].Path : "",
            Entries = { pending.Select(e => e.Request) },
            Metadata = { ["pubsubName"] = subscription.PubSubName },
        };
        if (await CallAsync(request, pending, end) is not { } response)
        {
            warn($"the app implements neither OnBulkTopicEvent nor OnBulkTopicEventAlpha1; {pending.Count} events of topic {request.Topic} count as processed");
            foreach (var entry in pending) entry.Failure = null;
            pending.Clear();
            return;
        }

        var statuses = new Dictionary<string, TopicEventResponseStatus>();
        foreach (var answer in response.Statuses) statuses[answer.EntryId] = answer.Status;
        foreach (var entry in pending) await ApplyStatusAsync(entry, statuses.Remove(entry.Request!.EntryId, out var status) ? status : null);
        foreach (var stranger in statuses.Keys) warn($"the app answers for entry {stranger}, which it was not sent");
        pending.RemoveAll(e => e.Failure is null);
        if (pending.Count > 0) throw new RetryRequestedException();
    }

    /// <summary>Starts a span per entry and sends all their contexts in the headers of one call. Null when the app implements neither RPC.</summary>
    private async Task<TopicEventBulkResponse?> CallAsync(TopicEventBulkRequest request, List<Entry> pending, CancellationToken end)
    {
        var headers = new Metadata { { "pubsubname", subscription.PubSubName } };
        if (appApiToken.Length > 0) headers.Add("dapr-api-token", appApiToken);
        var deliveries = pending.ConvertAll(e => spans.Start($"pubsub/{request.Topic}", ActivityKind.Client, e.Trace));
        try
        {
            foreach (var span in deliveries)
            {
                span.SetTopic(request.Topic);
                spans.AddTo(headers, span.Context);
            }

            return await app.DeliverAsync(request, headers, end);
        }
        catch (RpcException failure)
        {
            foreach (var span in deliveries) span.Fail(failure.Status.Detail);
            if (failure.StatusCode != StatusCode.Unimplemented) throw;
            return null;
        }
        finally
        {
            foreach (var span in deliveries) span.Dispose();
        }
    }

    private async Task ApplyStatusAsync(Entry entry, TopicEventResponseStatus? status)
    {
        entry.Failure = status is TopicEventResponseStatus.Success or TopicEventResponseStatus.Drop ? null : new RetryRequestedException();
        if (status == TopicEventResponseStatus.Drop) await DropAsync(entry, "the app dropped it");
    }

    /// <summary>The event is handled even if its copy cannot be published.</summary>
    private async Task DropAsync(Entry entry, string reason)
    {
        if (subscription.DeadLetterTopic.Length == 0)
        {
            warn($"an event of topic {entry.Message.Topic} was dropped: {reason}");
            return;
        }

        try
        {
            await DeadLetterAsync(entry, reason);
        }
        catch (Exception failure)
        {
            warn($"an event of topic {entry.Message.Topic} was dropped without a copy: {failure.Message}");
        }
    }

    /// <summary>Failed entries count as handled only if all of them could be published to the dead letter topic.</summary>
    private async Task GiveUpAsync(List<Entry> failed)
    {
        try
        {
            await Task.WhenAll(failed.Select(e => DeadLetterAsync(e, e.Failure!.Message)));
            foreach (var entry in failed) entry.Failure = null;
        }
        catch (Exception failure)
        {
            warn($"{failed.Count} events of topic {failed[0].Message.Topic} could not all be dead-lettered: {failure.Message}");
        }
    }

    private async Task DeadLetterAsync(Entry entry, string reason)
    {
        warn($"an event of topic {entry.Message.Topic} goes to the dead letter topic {subscription.DeadLetterTopic}: {reason}");
        using var limit = new CancellationTokenSource(DeadLetterTimeout, time);
        await publisher.ForwardAsync(subscription.PubSubName, entry.Message with { Topic = subscription.DeadLetterTopic }, limit.Token);
    }
}
