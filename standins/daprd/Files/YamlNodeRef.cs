using System.Globalization;
using Shop.Doctor;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Daprd.Files;

/// <summary>A node of a YAML document with its file, line and path for error messages.</summary>
internal sealed class YamlNodeRef
{
    private readonly string file;
    private readonly string path;
    private readonly YamlNode node;

    private YamlNodeRef(string file, string path, YamlNode node)
    {
        this.file = file;
        this.path = path;
        this.node = node;
    }

    /// <summary>The documents of a file, without empty ones.</summary>
    public static List<YamlNodeRef> Documents(string file)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new ShallowYamlParser(new StringReader(File.ReadAllText(file))));
            return [.. stream.Documents.Where(d => d.RootNode is YamlMappingNode).Select(d => new YamlNodeRef(file, "", d.RootNode))];
        }
        catch (YamlException broken)
        {
            throw new ConfigurationException($"{file}, line {broken.Start.Line}: this is not valid YAML: {broken.InnerException?.Message ?? broken.Message}");
        }
        catch (Exception broken) when (broken is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet throws them at a sequence or a mapping that does not end.
            throw new ConfigurationException($"{file}: this is not valid YAML: a sequence or a mapping does not end.");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{file}: cannot be read: {unreadable.Message}");
        }
    }

    public ConfigurationException Error(string message) =>
        new($"{file}, line {node.Start.Line}, {(path.Length == 0 ? "top level" : path)}: {message}");

    /// <summary>Null if the field is missing or null.</summary>
    public YamlNodeRef? Field(string name)
    {
        if (node is not YamlMappingNode mapping) throw Error("a mapping of names to values is expected here");
        return mapping.Children.TryGetValue(new YamlScalarNode(name), out var child) && !IsNull(child)
            ? new YamlNodeRef(file, path.Length == 0 ? name : $"{path}.{name}", child)
            : null;
    }

    public YamlNodeRef Required(string name) => Field(name) ?? throw Error($"{name} is missing");

    public IEnumerable<(string Name, YamlNodeRef Value)> Fields()
    {
        if (node is not YamlMappingNode mapping) throw Error("a mapping of names to values is expected here");
        foreach (var (key, value) in mapping.Children)
        {
            var name = key is YamlScalarNode text ? text.Value ?? "" : throw Error("a name is expected as the key of each value");
            if (!IsNull(value)) yield return (name, new YamlNodeRef(file, path.Length == 0 ? name : $"{path}.{name}", value));
        }
    }

    public IEnumerable<YamlNodeRef> Items()
    {
        if (node is not YamlSequenceNode sequence) throw Error("a list is expected here");
        return sequence.Children.Select((child, i) => new YamlNodeRef(file, $"{path}[{i}]", child));
    }

    public string Text() => node is YamlScalarNode scalar ? scalar.Value ?? "" : throw Error("a single value is expected here");

    public int Integer() => int.TryParse(Text(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
        ? number : throw Error($"'{Text()}' is not a whole number");

    public bool Boolean() => bool.TryParse(Text(), out var flag) ? flag : throw Error($"'{Text()}' is neither true nor false");

    /// <summary>A duration in Go's format; a plain number is in milliseconds.</summary>
    public TimeSpan Duration() => GoDuration.TryParse(Text(), out var duration)
        ? duration : throw Error($"'{Text()}' is not a duration such as 500ms, 5s or 1m30s");

    public List<string> Texts(string name) => Field(name) is { } list ? [.. list.Items().Select(i => i.Text())] : [];

    public Dictionary<string, string> TextMap(string name) =>
        Field(name)?.Fields().ToDictionary(f => f.Name, f => f.Value.Text()) ?? [];

    private static bool IsNull(YamlNode node) =>
        node is YamlScalarNode { Style: ScalarStyle.Plain } scalar && (scalar.Value is null or "" or "~" or "null");
}
