using Daprd.Files;

namespace Daprd.PubSub;

/// <summary>The topics of a broker that an app may use.</summary>
internal sealed class TopicScopes(Component component, string appId)
{
    private readonly HashSet<string>? publishing = Scope(component.Value("publishingScopes"), appId);
    private readonly HashSet<string>? subscribing = Scope(component.Value("subscriptionScopes"), appId);

    public bool MayPublish(string topic) => publishing?.Contains(topic) ?? true;

    public bool MaySubscribe(string topic) => subscribing?.Contains(topic) ?? true;

    /// <summary>Null if the app is not listed: then it may use all topics.</summary>
    private static HashSet<string>? Scope(string text, string appId)
    {
        HashSet<string>? topics = null;
        foreach (var part in text.Split(';', StringSplitOptions.TrimEntries))
        {
            var sides = part.Split('=', StringSplitOptions.TrimEntries);
            if (sides.Length < 2 || sides[0] != appId) continue;
            (topics ??= []).UnionWith(sides[1].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        }

        return topics;
    }
}
