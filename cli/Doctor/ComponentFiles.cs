using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using static Shop.Doctor.YamlFile;

namespace Shop.Doctor;

/// <summary>Facts from Dapr's component files that the sidecars' metadata lacks.</summary>
internal sealed class ComponentFiles
{
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
    public IEnumerable<CheckResult> FindHazards() => GetDocuments("Component").SelectMany(component =>
    {
        var settings = GetSettings(component);
        return ComponentHazards.Find(
            GetText(component, "metadata", "name"), GetText(component, "spec", "type"),
            setting => settings.GetValueOrDefault(setting) is { Length: > 0 } value ? value : null);
    });

    private IEnumerable<YamlMappingNode> GetDocuments(string kind) => documents.Where(document => GetText(document, "kind") == kind);

    private static Dictionary<string, string> GetSettings(YamlMappingNode component) =>
        GetNode(component, "spec", "metadata") is YamlSequenceNode settings
            ? settings.OfType<YamlMappingNode>().GroupBy(setting => GetText(setting, "name"))
                .ToDictionary(same => same.Key, same => GetText(same.Last(), "value"), StringComparer.OrdinalIgnoreCase)
            : [];
}
