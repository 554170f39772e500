using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Daprd.PubSub;

/// <summary>
/// Delivers batches of one subscription to the app. The inbound policy retries only the failed entries of a batch. Entries that still fail
/// after the retries go to the dead letter topic if there is one; dropped events go there at once.
/// </summary>
internal sealed class BulkDelivery(Delivery delivery)
{
    private readonly Subscription subscription = delivery.Subscription;

    /// <summary>The state of one message of a batch.</summary>
    private sealed class Entry(Message message, CloudEvent cloudEvent, TopicEventBulkRequestEntry request)
    {
        public Message Message => message;

        public CloudEvent Event => cloudEvent;

        public TopicEventBulkRequestEntry Request => request;

        /// <summary>Null when handled.</summary>
        public Exception? Failure { get; set; }
    }

    /// <summary>Returns one result per message, in order: null or the failure.</summary>
    public async Task<IReadOnlyList<Exception?>> HandleAsync(IReadOnlyList<Message> batch, CancellationToken stopping)
    {
        var failures = new Exception?[batch.Count];
        var entries = new Entry?[batch.Count];
        for (var at = 0; at < batch.Count; at++)
        {
            try
            {
                entries[at] = Read(batch[at]);
            }
            catch (Exception broken)
            {
                failures[at] = broken;
            }
        }

        if (entries.OfType<Entry>().ToList() is { Count: > 0 } pending) await DispatchAsync(pending, stopping);
        for (var at = 0; at < batch.Count; at++) failures[at] ??= entries[at]?.Failure;
        if (subscription.DeadLetterTopic.Length > 0 && !stopping.IsCancellationRequested)
        {
            // Handled only if all of them could be published there.
            await Task.WhenAll(batch.Index().Where(one => failures[one.Index] is not null)
                .Select(one => delivery.DeadLetterAsync(one.Item, failures[one.Index]!.Message)));
            Array.Clear(failures);
        }

        return failures;
    }

    private Entry Read(Message message)
    {
        var cloudEvent = delivery.Read(message);
        var request = new TopicEventBulkRequestEntry { EntryId = Guid.NewGuid().ToString() };
        if (subscription.IsRaw) request.Bytes = UnsafeByteOperations.UnsafeWrap(message.Data);
        else request.CloudEvent = cloudEvent.ForBatch();
        return new Entry(message, cloudEvent, request);
    }

    private async Task DispatchAsync(List<Entry> pending, CancellationToken stopping)
    {
        try
        {
            await delivery.Policy.RunAsync(
                async limit =>
                {
                    using var end = CancellationTokenSource.CreateLinkedTokenSource(limit, stopping);
                    await AttemptAsync(pending, end.Token);
                    return true;
                },
                stopping);
        }
        catch (Exception failure)
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
            Topic = subscription.Topic,
            PubsubName = subscription.PubSubName,
            Type = "com.dapr.event.sent.bulk",
            Path = subscription.Path,
            Entries = { pending.Select(e => e.Request) },
            Metadata = { ["pubsubName"] = subscription.PubSubName },
        };
        var response = await CallAsync(request, pending, end);
        var statuses = response.Statuses.ToLookup(answer => answer.EntryId, answer => answer.Status);
        foreach (var entry in pending)
        {
            // An entry without a status has failed.
            var status = statuses[entry.Request.EntryId].LastOrDefault(TopicEventResponseStatus.Retry);
            entry.Failure = status is TopicEventResponseStatus.Success or TopicEventResponseStatus.Drop ? null : new RetryRequestedException();
            if (status == TopicEventResponseStatus.Drop) await delivery.DropAsync(entry.Message);
        }

        pending.RemoveAll(e => e.Failure is null);
        if (pending.Count > 0) throw new RetryRequestedException();
    }

    /// <summary>Starts a span per entry and sends all their contexts in the headers of one call.</summary>
    private async Task<TopicEventBulkResponse> CallAsync(TopicEventBulkRequest request, List<Entry> pending, CancellationToken end)
    {
        var headers = delivery.Headers();
        var spans = pending.ConvertAll(e => delivery.Start(e.Event, headers));
        try
        {
            return await delivery.App.DeliverAsync(request, headers, end);
        }
        catch (RpcException failure)
        {
            foreach (var span in spans) span.Fail(failure.Status.Detail);
            if (failure.StatusCode != StatusCode.Unimplemented) throw;
            delivery.WarnOfUnimplemented();
            return new()
            {
                Statuses = { pending.Select(e => new TopicEventBulkResponseEntry { EntryId = e.Request.EntryId, Status = TopicEventResponseStatus.Success }) },
            };
        }
        finally
        {
            foreach (var span in spans) span.Dispose();
        }
    }
}
