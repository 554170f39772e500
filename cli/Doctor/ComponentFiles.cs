using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Shop.Doctor;

/// <summary>Facts from Dapr's component files that the sidecars' metadata lacks.</summary>
internal sealed class ComponentFiles
{
    /// <summary>Connections that are enough for the subscriptions of Orders, those of a few more participants, and as many that have just ended.</summary>
    private const int PoolMin = 50;

    private readonly YamlMappingNode[] documents;

    private ComponentFiles(YamlMappingNode[] documents) => this.documents = documents;

    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="YamlException">A file is not YAML.</exception>
    public static ComponentFiles Read(string folder) =>
        new([.. Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file) is ".yaml" or ".yml").SelectMany(ReadDocuments)]);

    /// <summary>Distinct, ordered by address.</summary>
    public IReadOnlyList<RedisEndpoint> Redis =>
    [
        .. GetDocuments("Component").Where(component => GetText(component, "spec", "type").EndsWith(".redis", StringComparison.Ordinal)).Select(GetSettings)
            .Where(settings => settings.GetValueOrDefault("redisHost") is { Length: > 0 })
            .Select(settings => new RedisEndpoint(settings["redisHost"], settings.GetValueOrDefault("redisUsername", ""),
                settings.GetValueOrDefault("redisPassword", ""), settings.GetValueOrDefault("enableTLS") == "true"))
            .Distinct().OrderBy(endpoint => endpoint.Address, StringComparer.Ordinal),
    ];

    /// <summary>Whether a retry policy applies to deliveries of the component pubsub.</summary>
    public bool RetriesDeliveries => GetDocuments("Resiliency").Any(policies =>
        GetText(policies, "spec", "targets", "components", "pubsub", "inbound", "retry") is { Length: > 0 } retry
        && GetNode(policies, "spec", "policies", "retries", retry) is not null);

    /// <summary>Settings that lose orders or money, in the state stores and brokers of these files.</summary>
    public IEnumerable<CheckResult> FindHazards()
    {
        foreach (var component in GetDocuments("Component"))
        {
            var (name, type, settings) = (GetText(component, "metadata", "name"), GetText(component, "spec", "type"), GetSettings(component));
            string? Find(string setting) => settings.GetValueOrDefault(setting) is { Length: > 0 } value ? value : null;
            if (type.StartsWith("state.", StringComparison.Ordinal))
            {
                if (Find("ttlInSeconds") is { } ttl && !ttl.StartsWith('-'))
                {
                    yield return CheckResult.Warning(name, "ttlInSeconds",
                        $"Documents expire after {ttl} s by default. The services override it with every write; other writers may not.",
                        "Remove ttlInSeconds from the component.");
                }
            }
            else if (type.StartsWith("pubsub.", StringComparison.Ordinal))
            {
                if (Find("consumerID") is { } consumer && !consumer.Contains("{appID}", StringComparison.OrdinalIgnoreCase))
                {
                    yield return CheckResult.Problem(name, "consumerID",
                        $"All services share the consumer group '{consumer}', so that each event reaches only one of them.",
                        "Remove consumerID from the component, or make it {appID}.");
                }
                if (Find("consumerID") is { } changing && changing.Contains("{uuid}", StringComparison.OrdinalIgnoreCase))
                {
                    yield return CheckResult.Problem(name, "consumerID",
                        "Every start has a new consumer group, so that events are lost that came while a service was down.",
                        "Remove consumerID from the component, or make it {appID}.");
                }
                if (type.EndsWith(".redis", StringComparison.Ordinal) && (!int.TryParse(Find("poolSize"), out var pool) || pool < PoolMin))
                {
                    yield return CheckResult.Warning(name, "poolSize",
                        $"It is {Find("poolSize") ?? "not set, and so 10 for each processor"}: every subscription keeps a connection, and with none left the sidecar "
                            + "neither publishes nor acknowledges.",
                        "Set poolSize in the component, as in components/pubsub.yaml.");
                }
                foreach (var setting in (string[])["processingTimeout", "redeliverInterval"])
                {
                    if (type.EndsWith(".redis", StringComparison.Ordinal) && Find(setting) is { } value && value.TrimEnd('m', 's', 'h') == "0")
                    {
                        yield return CheckResult.Problem(name, setting,
                            $"It is {value}: an event that a crashed service had read is never delivered again.",
                            $"Set {setting} in the component, as in components/pubsub.yaml.");
                    }
                }
            }
        }
    }

    private IEnumerable<YamlMappingNode> GetDocuments(string kind) => documents.Where(document => GetText(document, "kind") == kind);

    private static IEnumerable<YamlMappingNode> ReadDocuments(string file)
    {
        var stream = new YamlStream();
        using var text = File.OpenText(file);
        try
        {
            stream.Load(new ShallowYamlParser(text));
        }
        catch (Exception broken) when (broken is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet throws them at a sequence or a mapping that does not end.
            throw new YamlException($"{file}: {broken.Message}", broken);
        }
        return stream.Documents.Select(document => document.RootNode).OfType<YamlMappingNode>();
    }

    private static Dictionary<string, string> GetSettings(YamlMappingNode component) =>
        GetNode(component, "spec", "metadata") is YamlSequenceNode settings
            ? settings.OfType<YamlMappingNode>().GroupBy(setting => GetText(setting, "name"))
                .ToDictionary(same => same.Key, same => GetText(same.Last(), "value"), StringComparer.OrdinalIgnoreCase)
            : [];

    private static string GetText(YamlMappingNode node, params string[] path) => (GetNode(node, path) as YamlScalarNode)?.Value ?? "";

    /// <returns>Null: there is none.</returns>
    private static YamlNode? GetNode(YamlNode node, params string[] path) =>
        path.Aggregate<string, YamlNode?>(node, (at, name) =>
            at is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(name), out var child) ? child : null);
}
