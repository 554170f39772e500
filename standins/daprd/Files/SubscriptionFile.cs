using Daprd.PubSub;

namespace Daprd.Files;

/// <summary>A declarative subscription with its scopes.</summary>
internal sealed record SubscriptionFile(string Name, Subscription Subscription, List<string> Scopes)
{
    public bool Concerns(string appId) => Scopes.Count == 0 || Scopes.Contains(appId);

    public static SubscriptionFile Read(YamlNodeRef document)
    {
        var spec = document.Required("spec");
        return new SubscriptionFile(
            document.Required("metadata").Required("name").Text(),
            new Subscription(
                spec.Required("pubsubname").Text(),
                spec.Required("topic").Text(),
                spec.TextMap("metadata"),
                Routes(spec),
                spec.Field("deadLetterTopic")?.Text() ?? "",
                Bulk(spec.Field("bulkSubscribe")),
                SubscriptionOrigin.Declarative),
            document.Texts("scopes"));
    }

    private static List<Route> Routes(YamlNodeRef spec)
    {
        if (spec.Field("route") is { } single) return [new Route("", single.Text())];
        if (spec.Field("routes") is not { } routes) return [];
        var rules = (routes.Field("rules")?.Items() ?? [])
            .Select(rule => new Route(rule.Field("match")?.Text() ?? "", rule.Required("path").Text()))
            .ToList();
        if (routes.Field("default")?.Text() is { Length: > 0 } path) rules.Add(new Route("", path));
        return rules;
    }

    private static BulkOptions? Bulk(YamlNodeRef? bulk) => bulk?.Field("enabled")?.Boolean() != true
        ? null
        : BulkOptions.From(bulk.Field("maxMessagesCount")?.Integer() ?? 0, bulk.Field("maxAwaitDurationMs")?.Integer() ?? 0);
}
