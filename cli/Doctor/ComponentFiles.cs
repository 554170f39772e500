using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Shop.Doctor;

/// <summary>Where a Redis is.</summary>
/// <param name="Password">Empty: none, or the file leaves it to a secret store.</param>
internal sealed record RedisPlace(string Address, string User, string Password, bool Tls);

/// <summary>What Dapr's component files say that the sidecars do not.</summary>
internal sealed class ComponentFiles
{
    private readonly YamlMappingNode[] documents;

    private ComponentFiles(YamlMappingNode[] documents) => this.documents = documents;

    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="YamlException">A file is no YAML.</exception>
    public static ComponentFiles Read(string folder) =>
        new([.. Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file) is ".yaml" or ".yml").SelectMany(DocumentsOf)]);

    /// <summary>Each once, in the order of their addresses.</summary>
    public IReadOnlyList<RedisPlace> Redis =>
    [
        .. Of("Component").Where(component => Text(component, "spec", "type").EndsWith(".redis", StringComparison.Ordinal)).Select(SettingsOf)
            .Where(settings => settings.GetValueOrDefault("redisHost") is { Length: > 0 })
            .Select(settings => new RedisPlace(settings["redisHost"], settings.GetValueOrDefault("redisUsername", ""),
                settings.GetValueOrDefault("redisPassword", ""), settings.GetValueOrDefault("enableTLS") == "true"))
            .Distinct().OrderBy(place => place.Address, StringComparer.Ordinal),
    ];

    /// <summary>Whether a failed delivery of the broker is tried again.</summary>
    public bool RetriesDeliveries => Of("Resiliency").Any(policies =>
        Text(policies, "spec", "targets", "components", "pubsub", "inbound", "retry") is { Length: > 0 } retry
        && Node(policies, "spec", "policies", "retries", retry) is not null);

    private IEnumerable<YamlMappingNode> Of(string kind) => documents.Where(document => Text(document, "kind") == kind);

    private static IEnumerable<YamlMappingNode> DocumentsOf(string file)
    {
        var stream = new YamlStream();
        using var text = File.OpenText(file);
        stream.Load(text);
        return stream.Documents.Select(document => document.RootNode).OfType<YamlMappingNode>();
    }

    private static Dictionary<string, string> SettingsOf(YamlMappingNode component) =>
        Node(component, "spec", "metadata") is YamlSequenceNode settings
            ? settings.OfType<YamlMappingNode>().GroupBy(setting => Text(setting, "name"))
                .ToDictionary(same => same.Key, same => Text(same.Last(), "value"), StringComparer.OrdinalIgnoreCase)
            : [];

    private static string Text(YamlMappingNode node, params string[] path) => (Node(node, path) as YamlScalarNode)?.Value ?? "";

    /// <summary>Null: there is none.</summary>
    private static YamlNode? Node(YamlNode node, params string[] path) =>
        path.Aggregate<string, YamlNode?>(node, (at, name) =>
            at is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(name), out var child) ? child : null);
}
