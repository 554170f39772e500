using System.Threading.Channels;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>A batch as received by the app.</summary>
/// <param name="Rpc">The name of the RPC by which it was delivered.</param>
public sealed record ReceivedBatch(TopicEventBulkRequest Batch, Metadata Headers, string Rpc)
{
    public List<string> Texts => [.. Batch.Entries.Select(Text)];

    public static string Text(TopicEventBulkRequestEntry entry) =>
        (entry.EventCase == TopicEventBulkRequestEntry.EventOneofCase.Bytes ? entry.Bytes : entry.CloudEvent.Data).ToStringUtf8();
}

/// <summary>The part of the app that receives batches.</summary>
public sealed partial class TestApp
{
    public const string StableRpc = "OnBulkTopicEvent";
    public const string AlphaRpc = "OnBulkTopicEventAlpha1";

    private readonly Channel<ReceivedBatch> batches = Channel.CreateUnbounded<ReceivedBatch>();
    private readonly Channel<string> refused = Channel.CreateUnbounded<string>();

    /// <summary>The RPCs that the app implements.</summary>
    public string[] BulkRpcs { get; set; } = [StableRpc];

    /// <summary>Creates the response to a batch; SUCCESS for every entry by default.</summary>
    public Func<TopicEventBulkRequest, TopicEventBulkResponse> OnBatch { get; set; } = batch => AnswerEach(batch, _ => TopicEventResponseStatus.Success);

    /// <summary>Creates the status of each entry from its text; null omits the entry.</summary>
    public static TopicEventBulkResponse AnswerEach(TopicEventBulkRequest batch, Func<string, TopicEventResponseStatus?> answer)
    {
        var response = new TopicEventBulkResponse();
        foreach (var entry in batch.Entries)
        {
            if (answer(ReceivedBatch.Text(entry)) is { } status)
            {
                response.Statuses.Add(new TopicEventBulkResponseEntry { EntryId = entry.EntryId, Status = status });
            }
        }

        return response;
    }

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

    /// <summary>Returns the name of the next RPC that was called and is not implemented.</summary>
    public async Task<string> NextRefusedAsync()
    {
        using var limit = new CancellationTokenSource(WaitTimeout);
        return await refused.Reader.ReadAsync(limit.Token);
    }

    private void ResetBatches()
    {
        BulkRpcs = [StableRpc];
        OnBatch = batch => AnswerEach(batch, _ => TopicEventResponseStatus.Success);
        while (batches.Reader.TryRead(out _) || refused.Reader.TryRead(out _)) ;
    }

    /// <summary>All values of all headers. ServerCallContext.RequestHeaders throws if a binary header has several values.</summary>
    private static Metadata Headers(ServerCallContext context)
    {
        var headers = new Metadata();
        foreach (var (name, values) in context.GetHttpContext().Request.Headers.Where(header => !header.Key.StartsWith(':')))
        {
            foreach (var value in values.OfType<string>())
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

    private Task<TopicEventBulkResponse> ReceiveAsync(TopicEventBulkRequest batch, Metadata headers, string rpc)
    {
        if (!BulkRpcs.Contains(rpc))
        {
            refused.Writer.TryWrite(rpc);
            throw new RpcException(new Status(StatusCode.Unimplemented, rpc));
        }

        var answer = OnBatch;
        batches.Writer.TryWrite(new ReceivedBatch(batch, headers, rpc));
        return Task.FromResult(answer(batch));
    }

    private sealed partial class Callback
    {
        public override Task<TopicEventBulkResponse> OnBulkTopicEvent(TopicEventBulkRequest request, ServerCallContext context) =>
            app.ReceiveAsync(request, Headers(context), StableRpc);
    }

    private sealed class AlphaCallback(TestApp app) : AppCallbackAlpha.AppCallbackAlphaBase
    {
        public override Task<TopicEventBulkResponse> OnBulkTopicEventAlpha1(TopicEventBulkRequest request, ServerCallContext context) =>
            app.ReceiveAsync(request, Headers(context), AlphaRpc);
    }
}
