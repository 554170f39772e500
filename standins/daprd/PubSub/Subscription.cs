using Dapr.AppCallback.Autogen.Grpc.v1;

namespace Daprd.PubSub;

/// <param name="MaxAwait">Maximum time from the first message of a batch to its delivery.</param>
internal sealed record BulkOptions(int MaxMessages, TimeSpan MaxAwait);

/// <param name="DeadLetterTopic">Empty: none.</param>
/// <param name="Bulk">Null: events are delivered one by one.</param>
/// <param name="IsRaw">The messages have no envelope.</param>
internal sealed record Subscription(string PubSubName, string Topic, string Path, string DeadLetterTopic, BulkOptions? Bulk, bool IsRaw)
{
    /// <summary>The metadata that says so.</summary>
    public const string RawPayload = "rawPayload";

    /// <summary>Null if it has rules, which are CEL expressions.</summary>
    public static Subscription? From(TopicSubscription wanted) => wanted.Routes?.Rules.Count > 0 ? null : new Subscription(
        wanted.PubsubName,
        wanted.Topic,
        wanted.Routes?.Default ?? "",
        wanted.DeadLetterTopic,
        wanted.BulkSubscribe is not { Enabled: true } bulk ? null : new BulkOptions(
            bulk.MaxMessagesCount > 0 ? bulk.MaxMessagesCount : 100,
            TimeSpan.FromMilliseconds(bulk.MaxAwaitDurationMs > 0 ? bulk.MaxAwaitDurationMs : 1000)),
        wanted.Metadata.GetValueOrDefault(RawPayload, "").Equals("true", StringComparison.OrdinalIgnoreCase));
}
