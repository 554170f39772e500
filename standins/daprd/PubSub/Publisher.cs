using Daprd.Api;
using Daprd.Files;
using Grpc.Core;

namespace Daprd.PubSub;

/// <summary>Publishes to the brokers of one app. Every failure is an <see cref="ApiException"/>.</summary>
internal sealed class Publisher(string appId, TimeProvider time)
{
    private readonly Dictionary<string, Broker> brokers = [];

    private sealed record Broker(IPubSub PubSub, TopicScopes Scopes);

    public void Add(Component component, IPubSub pubSub) => brokers[component.Name] = new Broker(pubSub, new TopicScopes(component, appId));

    /// <summary>Null if the app has no such broker.</summary>
    public IPubSub? Find(string pubSubName) => brokers.GetValueOrDefault(pubSubName)?.PubSub;

    public bool MaySubscribe(string pubSubName, string topic) => brokers[pubSubName].Scopes.MaySubscribe(topic);

    public Task PublishAsync(PublishRequest request) => SendAsync(Check(request.PubSubName, request.Topic), Wrap(request), request.PubSubName);

    /// <summary>Publishes a message unchanged to another topic.</summary>
    public async Task ForwardAsync(string pubSubName, Message message, CancellationToken ct) =>
        await SendAsync(Check(pubSubName, message.Topic), message, pubSubName).WaitAsync(ct);

    /// <summary>Validates all entries, then publishes them concurrently and independently. Throws the first failure when all have ended.</summary>
    public async Task PublishManyAsync(string pubSubName, string topic, IReadOnlyList<(string EntryId, PublishRequest Event)> entries)
    {
        var broker = Check(pubSubName, topic);
        if (entries.Any(e => e.EntryId.Length == 0) || entries.DistinctBy(e => e.EntryId).Count() < entries.Count)
        {
            throw new ApiException(
                StatusCode.InvalidArgument, 400, "ERR_PUBSUB_EVENTS_SER",
                $"error when unmarshaling the request for topic {topic} pubsub {pubSubName}: entryId is duplicated or not present for entry");
        }

        var messages = entries.Select(e => Wrap(e.Event)).ToList();
        await Task.WhenAll(messages.Select(message => SendAsync(broker, message, pubSubName)));
    }

    private static async Task SendAsync(Broker broker, Message message, string pubSubName)
    {
        try
        {
            await broker.PubSub.PublishAsync(message);
        }
        catch (Exception failure)
        {
            throw new ApiException(
                StatusCode.Internal, 500, "ERR_PUBSUB_PUBLISH_MESSAGE",
                $"error when publishing to topic {message.Topic} in pubsub {pubSubName}: {failure.Message}");
        }
    }

    private Message Wrap(PublishRequest request)
    {
        if (request.IsSupported) return new Message(request.Topic, request.Wrap(appId, time.GetLocalNow()));
        throw new ApiException(
            StatusCode.Unimplemented, 501, "ERR_NOT_IN_STAND_IN",
            $"data of type {request.ContentType}, raw payloads and a time to live of events are not in this stand-in for daprd");
    }

    private Broker Check(string pubSubName, string topic)
    {
        if (pubSubName.Length == 0) throw new ApiException(StatusCode.InvalidArgument, 404, "ERR_PUBSUB_EMPTY", "pubsub name is empty");
        if (!brokers.TryGetValue(pubSubName, out var broker))
        {
            throw new ApiException(StatusCode.InvalidArgument, 404, "ERR_PUBSUB_NOT_FOUND", $"pubsub {pubSubName} is not found");
        }

        if (topic.Length == 0)
        {
            throw new ApiException(StatusCode.InvalidArgument, 404, "ERR_TOPIC_NAME_EMPTY", $"topic is empty in pubsub {pubSubName}");
        }

        return broker.Scopes.MayPublish(topic)
            ? broker
            : throw new ApiException(StatusCode.PermissionDenied, 403, "ERR_PUBSUB_FORBIDDEN", $"topic {topic} is not allowed for app id {appId}");
    }
}
