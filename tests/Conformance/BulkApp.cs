using System.Threading.Channels;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>A batch as received by the app.</summary>
public sealed record ReceivedBatch(TopicEventBulkRequest Batch, Metadata Headers)
{
    public List<string> Texts => [.. Batch.Entries.Select(Text)];

    public static string Text(TopicEventBulkRequestEntry entry) =>
        (entry.EventCase == TopicEventBulkRequestEntry.EventOneofCase.Bytes ? entry.Bytes : entry.CloudEvent.Data).ToStringUtf8();
}

/// <summary>The part of the app that receives batches.</summary>
public sealed partial class TestApp
{
    private readonly Channel<ReceivedBatch> batches = Channel.CreateUnbounded<ReceivedBatch>();

    /// <summary>Creates the response to a batch; SUCCESS for every entry by default.</summary>
    public Func<TopicEventBulkRequest, TopicEventBulkResponse> OnBatch { get; set; } = batch => AnswerEach(batch, _ => TopicEventResponseStatus.Success);

    /// <summary>Creates the status of each entry from its text; null omits the entry.</summary>
    public static TopicEventBulkResponse AnswerEach(TopicEventBulkRequest batch, Func<string, TopicEventResponseStatus?> answer) => new()
    {
        Statuses =
        {
            from entry in batch.Entries
            let status = answer(ReceivedBatch.Text(entry))
            where status is not null
            select new TopicEventBulkResponseEntry { EntryId = entry.EntryId, Status = status.Value },
        },
    };

    /// <summary>Zero: the sidecar's default.</summary>
    public static TopicSubscription BulkSubscription(
        string pubsub, string topic, string deadLetterTopic = "", int maxMessages = 1, int maxAwaitMs = 0, params (string Name, string Value)[] metadata)
    {
        var subscription = Subscription(pubsub, topic, deadLetterTopic, metadata);
        subscription.BulkSubscribe = new BulkSubscribeConfig { Enabled = true, MaxMessagesCount = maxMessages, MaxAwaitDurationMs = maxAwaitMs };
        return subscription;
    }

    public async Task<ReceivedBatch> NextBatchAsync()
    {
        using var limit = new CancellationTokenSource(WaitTimeout);
        return await batches.Reader.ReadAsync(limit.Token);
    }

    private void ResetBatches()
    {
        OnBatch = batch => AnswerEach(batch, _ => TopicEventResponseStatus.Success);
        while (batches.Reader.TryRead(out _)) ;
    }

    /// <summary>All values of all headers. ServerCallContext.RequestHeaders throws if a binary header has several values.</summary>
    private static Metadata Headers(ServerCallContext context)
    {
        var headers = new Metadata();
        foreach (var (name, values) in context.GetHttpContext().Request.Headers.Where(header => !header.Key.StartsWith(':')))
        {
            // daprd sends a field per value; the client of .NET joins them with commas.
            foreach (var value in values.OfType<string>().SelectMany(value => name.StartsWith("traceparent") || name.EndsWith("-bin") ? value.Split(',', StringSplitOptions.TrimEntries) : [value]))
            {
                if (name.EndsWith("-bin", StringComparison.Ordinal))
                {
                    headers.Add(name, Convert.FromBase64String(value.PadRight((value.Length + 3) / 4 * 4, '=')));
                }
                else headers.Add(name.ToLowerInvariant(), value);
            }
        }

        return headers;
    }

    private sealed partial class Callback
    {
        public override Task<TopicEventBulkResponse> OnBulkTopicEvent(TopicEventBulkRequest request, ServerCallContext context)
        {
            var answer = app.OnBatch;
            app.batches.Writer.TryWrite(new ReceivedBatch(request, Headers(context)));
            return Task.FromResult(answer(request));
        }
    }
}
