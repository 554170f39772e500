using Daprd.Files;

namespace Daprd.PubSub;

/// <summary>The topics of a broker that an app may use.</summary>
internal sealed class TopicScopes
{
    private readonly HashSet<string> allowed;
    private readonly HashSet<string> protectedTopics;
    private readonly HashSet<string>? publishing;
    private readonly HashSet<string>? subscribing;

    public TopicScopes(Component component, string appId)
    {
        allowed = [.. List(component.Value("allowedTopics"))];
        protectedTopics = [.. List(component.Value("protectedTopics"))];
        publishing = Scope(component.Value("publishingScopes"), appId);
        subscribing = Scope(component.Value("subscriptionScopes"), appId);
    }

    public bool MayPublish(string topic) => May(topic, publishing);

    public bool MaySubscribe(string topic) => May(topic, subscribing);

    private bool May(string topic, HashSet<string>? scope)
    {
        if (allowed.Count > 0 && !allowed.Contains(topic)) return false;
        return scope?.Contains(topic) ?? !protectedTopics.Contains(topic);
    }

    /// <summary>Null if the app is not listed; an entry without an equals sign is ignored.</summary>
    private static HashSet<string>? Scope(string text, string appId)
    {
        HashSet<string>? topics = null;
        foreach (var part in text.Split(';', StringSplitOptions.TrimEntries))
        {
            var sides = part.Split('=', StringSplitOptions.TrimEntries);
            if (sides.Length < 2 || sides[0] != appId) continue;
            topics ??= [];
            topics.UnionWith(List(sides[1]));
        }

        return topics;
    }

    private static string[] List(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
