using Daprd.Files;

namespace Daprd.PubSub;

/// <summary>Which topics of a broker an app may use.</summary>
internal sealed class TopicScopes
{
    private readonly HashSet<string> _allowed;
    private readonly HashSet<string> _protected;
    private readonly HashSet<string>? _publishing;
    private readonly HashSet<string>? _subscribing;

    public TopicScopes(Component component, string appId)
    {
        _allowed = [.. List(component.Value("allowedTopics"))];
        _protected = [.. List(component.Value("protectedTopics"))];
        _publishing = Scope(component.Value("publishingScopes"), appId);
        _subscribing = Scope(component.Value("subscriptionScopes"), appId);
    }

    public bool MayPublish(string topic) => May(topic, _publishing);

    public bool MaySubscribe(string topic) => May(topic, _subscribing);

    private bool May(string topic, HashSet<string>? scope)
    {
        if (_allowed.Count > 0 && !_allowed.Contains(topic)) return false;
        return scope?.Contains(topic) ?? !_protected.Contains(topic);
    }

    /// <summary>Null when the app is not mentioned; one that is mentioned without an equals sign does not count.</summary>
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
