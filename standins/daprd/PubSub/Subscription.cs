namespace Daprd.PubSub;

internal enum SubscriptionOrigin
{
    /// <summary>Named by a file.</summary>
    Declarative,

    /// <summary>Named by the app when it was asked.</summary>
    Programmatic,
}

/// <param name="Match">A CEL expression; empty matches every event.</param>
internal sealed record Route(string Match, string Path);

/// <param name="MaxAwait">How long a batch waits for company after its first message.</param>
internal sealed record BulkOptions(int MaxMessages, TimeSpan MaxAwait)
{
    /// <summary>Zero or less means the default: 100 messages, 1000 ms.</summary>
    public static BulkOptions From(int maxMessages, int maxAwaitMs) =>
        new(maxMessages > 0 ? maxMessages : 100, TimeSpan.FromMilliseconds(maxAwaitMs > 0 ? maxAwaitMs : 1000));
}

/// <param name="DeadLetterTopic">Empty for none.</param>
/// <param name="Bulk">Null when events are delivered one by one.</param>
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
