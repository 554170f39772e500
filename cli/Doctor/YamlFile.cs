using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Shop.Doctor;

/// <summary>Reads Dapr's files.</summary>
internal static class YamlFile
{
    /// <summary>The mappings among the documents of a file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="YamlException">It is not YAML.</exception>
    public static IEnumerable<YamlMappingNode> ReadDocuments(string file)
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

    public static string GetText(YamlMappingNode node, params string[] path) => (GetNode(node, path) as YamlScalarNode)?.Value ?? "";

    /// <returns>Null: there is none.</returns>
    public static YamlNode? GetNode(YamlNode node, params string[] path) =>
        path.Aggregate<string, YamlNode?>(node, (at, name) =>
            at is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(name), out var child) ? child : null);
}
