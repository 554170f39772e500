using System.Text.Json;
using Daprd.Api;
using Daprd.Files;
using Grpc.Core;

namespace Daprd.PubSub;

/// <summary>Publishes to the brokers of one app. Every failure is an <see cref="ApiException"/>.</summary>
internal sealed class Publisher(string appId, TimeProvider time)
{
    /// <summary>Maximum number of messages of a bulk publish that are sent concurrently.</summary>
    private const int AtOnce = 100;

    private readonly Dictionary<string, Broker> brokers = [];

    private sealed record Broker(IPubSub PubSub, TopicScopes Scopes);

    public void Add(Component component, IPubSub pubSub) => brokers[component.Name] = new Broker(pubSub, new TopicScopes(component, appId));

    /// <summary>Null if the app has no such broker.</summary>
    public IPubSub? Find(string pubSubName) => brokers.GetValueOrDefault(pubSubName)?.PubSub;

    public bool MaySubscribe(string pubSubName, string topic) => brokers[pubSubName].Scopes.MaySubscribe(topic);

    public async Task PublishAsync(PublishRequest request)
    {
        var broker = Check(request.PubSubName, request.Topic);
        await SendAsync(broker, Prepare(request), request.PubSubName);
    }

    /// <summary>Publishes a message unchanged to another topic.</summary>
    public async Task ForwardAsync(string pubSubName, Message message, CancellationToken ct) =>
        await SendAsync(Check(pubSubName, message.Topic), message, pubSubName).WaitAsync(ct);

    /// <summary>Validates all entries, then publishes them in no particular order. Returns the failures by entry id.</summary>
    public async Task<IReadOnlyDictionary<string, ApiException>> PublishManyAsync(
        string pubSubName, string topic, IReadOnlyList<(string EntryId, PublishRequest Event)> entries)
    {
        var broker = Check(pubSubName, topic);
        var seen = new HashSet<string>();
        if (entries.Any(e => e.EntryId.Length == 0 || !seen.Add(e.EntryId)))
        {
            throw new ApiException(
                StatusCode.InvalidArgument, 400, "ERR_PUBSUB_EVENTS_SER",
                $"error when unmarshaling the request for topic {topic} pubsub {pubSubName}: entryId is duplicated or not present for entry",
                "DAPR_PUBSUB_EVENTS_SER");
        }

        var messages = entries.Select(e => Prepare(e.Event)).ToList();
        var failures = new Dictionary<string, ApiException>();
        for (var from = 0; from < messages.Count; from += AtOnce)
        {
            var part = messages.GetRange(from, Math.Min(AtOnce, messages.Count - from));
            var results = await broker.PubSub.PublishManyAsync(part);
            for (var at = 0; at < part.Count; at++)
            {
                if (results[at] is { } failure) failures[entries[from + at].EntryId] = NotPublished(topic, pubSubName, failure);
            }
        }

        return failures;
    }

    private static async Task SendAsync(Broker broker, Message message, string pubSubName)
    {
        try
        {
            await broker.PubSub.PublishAsync(message);
        }
        catch (Exception failure)
        {
            throw NotPublished(message.Topic, pubSubName, failure);
        }
    }

    private static ApiException NotPublished(string topic, string pubSubName, Exception failure) => new(
        StatusCode.Internal, 500, "ERR_PUBSUB_PUBLISH_MESSAGE",
        $"error when publishing to topic {topic} in pubsub {pubSubName}: {failure.Message}", "DAPR_PUBSUB_PUBLISH_MESSAGE");

    private Message Prepare(PublishRequest request)
    {
        // daprd stores this as text or as bytes, depending on whether it can parse it.
        if (!request.IsRaw && Envelope.MediaType(request.ContentType) == "application/x-protobuf")
        {
            throw new ApiException(
                StatusCode.Unimplemented, 501, "ERR_NOT_IN_STAND_IN", "data of type application/x-protobuf is not in this stand-in for daprd");
        }

        if (request.IsRaw) return new Message(request.Topic, request.Data, request.Metadata);
        try
        {
            return new Message(request.Topic, Envelope.Wrap(request, appId, time.GetLocalNow()), request.Metadata);
        }
        catch (JsonException broken)
        {
            throw new ApiException(
                StatusCode.InvalidArgument, 500, "ERR_PUBSUB_CLOUD_EVENTS_SER",
                $"cannot create cloudevent: {broken.Message}", "DAPR_PUBSUB_CLOUD_EVENTS_SER");
        }
    }

    /// <summary>Whether the metadata asks for no envelope. In a bulk publish only the request's metadata counts, not the entries'.</summary>
    public static bool IsRaw(IReadOnlyDictionary<string, string>? metadata) => PublishRequest.Find(metadata, "rawPayload")?.ToLowerInvariant() switch
    {
        null or "" or "false" or "f" or "0" => false,
        "true" or "t" or "1" => true,
        var other => throw new ApiException(
            StatusCode.InvalidArgument, 400, "ERR_PUBSUB_REQUEST_METADATA",
            $"failed deserializing metadata: rawPayload is '{other}', which is neither true nor false", "DAPR_PUBSUB_METADATA_DESERIALIZATION"),
    };

    private Broker Check(string pubSubName, string topic)
    {
        if (pubSubName.Length == 0)
        {
            throw new ApiException(StatusCode.InvalidArgument, 404, "ERR_PUBSUB_EMPTY", "pubsub name is empty", "DAPR_PUBSUB_NAME_EMPTY");
        }

        if (!brokers.TryGetValue(pubSubName, out var broker))
        {
            throw new ApiException(StatusCode.InvalidArgument, 404, "ERR_PUBSUB_NOT_FOUND", $"pubsub {pubSubName} is not found", "DAPR_PUBSUB_NOT_FOUND");
        }

        if (topic.Length == 0)
        {
            throw new ApiException(StatusCode.InvalidArgument, 404, "ERR_TOPIC_NAME_EMPTY",
                $"topic is empty in pubsub {pubSubName}", "DAPR_PUBSUB_TOPIC_EMPTY");
        }

        return broker.Scopes.MayPublish(topic)
            ? broker
            : throw new ApiException(
                StatusCode.PermissionDenied, 403, "ERR_PUBSUB_FORBIDDEN", $"topic {topic} is not allowed for app id {appId}", "DAPR_PUBSUB_FORBIDDEN");
    }
}
