using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using Wire = Dapr.Client.Autogen.Grpc.v1;

namespace Dapr.Client;

internal sealed partial class SidecarClient
{
    private const string Json = "application/json";

    public override Task PublishEventAsync<TData>(
        string pubsubName, string topicName, TData data, CancellationToken cancellationToken = default) =>
        PublishAsync(pubsubName, topicName, JsonOf(data), Json, null, cancellationToken);

    public override Task PublishEventAsync<TData>(
        string pubsubName, string topicName, TData data, Dictionary<string, string> metadata, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return PublishAsync(pubsubName, topicName, JsonOf(data), Json, metadata, cancellationToken);
    }

    public override Task PublishEventAsync(string pubsubName, string topicName, CancellationToken cancellationToken = default) =>
        PublishAsync(pubsubName, topicName, ByteString.Empty, "", null, cancellationToken);

    public override Task PublishEventAsync(
        string pubsubName, string topicName, Dictionary<string, string> metadata, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return PublishAsync(pubsubName, topicName, ByteString.Empty, "", metadata, cancellationToken);
    }

    public override Task PublishByteEventAsync(
        string pubsubName,
        string topicName,
        ReadOnlyMemory<byte> data,
        string dataContentType = Json,
        Dictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default) =>
        PublishAsync(pubsubName, topicName, ByteString.CopyFrom(data.Span), dataContentType, metadata, cancellationToken);

    public override async Task<BulkPublishResponse<TValue>> BulkPublishEventAsync<TValue>(
        string pubsubName,
        string topicName,
        IReadOnlyList<TValue> events,
        Dictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(pubsubName);
        ArgumentException.ThrowIfNullOrEmpty(topicName);
        ArgumentNullException.ThrowIfNull(events);
        var request = new Wire.BulkPublishRequest { PubsubName = pubsubName, Topic = topicName };
        Fill(request.Metadata, metadata);
        for (var i = 0; i < events.Count; i++)
        {
            request.Entries.Add(new Wire.BulkPublishRequestEntry
            {
                EntryId = i.ToString(CultureInfo.InvariantCulture),
                Event = ToJson(events[i]),
                ContentType = Json,
            });
        }

        try
        {
            // The stable name of this rpc is unknown to sidecars before 1.17.
            var response = await sidecar.BulkPublishEventAlpha1Async(request, Options(cancellationToken)).ConfigureAwait(false);
            return new([.. response.FailedEntries.Select(failed => new BulkPublishResponseFailedEntry<TValue>(
                new(failed.EntryId, events[int.Parse(failed.EntryId, CultureInfo.InvariantCulture)], Json), failed.Error))]);
        }
        catch (RpcException e)
        {
            throw Failed("Bulk Publish", e);
        }
    }

    private ByteString JsonOf<TData>(TData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return ToJson(data);
    }

    private async Task PublishAsync(
        string pubsubName,
        string topicName,
        ByteString data,
        string contentType,
        Dictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(pubsubName);
        ArgumentException.ThrowIfNullOrEmpty(topicName);
        var request = new Wire.PublishEventRequest
        {
            PubsubName = pubsubName,
            Topic = topicName,
            Data = data,
            DataContentType = contentType,
        };
        Fill(request.Metadata, metadata);
        try
        {
            await sidecar.PublishEventAsync(request, Options(cancellationToken)).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw Failed("Publish", e);
        }
    }
}
