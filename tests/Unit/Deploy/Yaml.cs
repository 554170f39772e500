using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Saga.Tests.Deploy;

/// <summary>YAML as Kubernetes reads it: as JSON, in which true and 5 are no strings.</summary>
internal static class Yaml
{
    /// <summary>The documents of a file that have content.</summary>
    /// <exception cref="YamlException">It is no YAML, has a key twice, or has a word that only some parsers take for a boolean.</exception>
    public static IReadOnlyList<JsonNode> Read(string path) => Parse(Repository.Read(path));

    /// <inheritdoc cref="Read"/>
    public static IReadOnlyList<JsonNode> Parse(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return [.. stream.Documents.Select(document => Convert(document.RootNode)).OfType<JsonNode>()];
    }

    private static JsonNode? Convert(YamlNode node) => node switch
    {
        YamlMappingNode mapping => new JsonObject(mapping.Children.Select(child =>
            KeyValuePair.Create(((YamlScalarNode)child.Key).Value!, Convert(child.Value)))),
        YamlSequenceNode sequence => new JsonArray([.. sequence.Children.Select(Convert)]),
        YamlScalarNode { Style: not ScalarStyle.Plain } quoted => JsonValue.Create(quoted.Value),
        YamlScalarNode plain => Resolve(plain),
        _ => throw new YamlException(node.Start, node.End, "is neither a mapping nor a sequence nor a scalar."),
    };

    private static JsonValue? Resolve(YamlScalarNode plain) => plain.Value switch
    {
        null or "" or "null" or "~" => null,
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        var word when word.ToLowerInvariant() is "yes" or "no" or "on" or "off" or "y" or "n" or "true" or "false" =>
            throw new YamlException(plain.Start, plain.End, $"'{word}' needs quotes, or is true or false."),
        var number when long.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => JsonValue.Create(whole),
        var number when double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) => JsonValue.Create(real),
        var text => JsonValue.Create(text),
    };
}
