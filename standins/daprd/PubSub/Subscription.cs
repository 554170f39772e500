namespace Daprd.PubSub;

internal enum SubscriptionOrigin
{
    /// <summary>From a file.</summary>
    Declarative,

    /// <summary>Returned by the app's ListTopicSubscriptions.</summary>
    Programmatic,
}

/// <param name="Match">A CEL expression; empty matches every event.</param>
internal sealed record Route(string Match, string Path);

/// <param name="MaxAwait">Maximum time from the first message of a batch to its delivery.</param>
internal sealed record BulkOptions(int MaxMessages, TimeSpan MaxAwait)
{
    /// <summary>Zero or less means the default: 100 messages, 1000 ms.</summary>
    public static BulkOptions From(int maxMessages, int maxAwaitMs) =>
        new(maxMessages > 0 ? maxMessages : 100, TimeSpan.FromMilliseconds(maxAwaitMs > 0 ? maxAwaitMs : 1000));
}

/// <param name="DeadLetterTopic">Empty: none.</param>
/// <param name="Bulk">Null: events are delivered one by one.</param>
internal sealed record Subscription(
    string PubSubName,
    string Topic,
    IReadOnlyDictionary<string, string> Metadata,
    IReadOnlyList<Route> Routes,
    string DeadLetterTopic,
    BulkOptions? Bulk,
    SubscriptionOrigin Origin)
{
    public bool IsRaw => Metadata.TryGetValue("rawPayload", out var raw) && raw.Equals("true", StringComparison.OrdinalIgnoreCase);
}
