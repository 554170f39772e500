using System.Globalization;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Daprd.Files;

/// <summary>A node of a YAML document that knows where it stands, so that whoever finds it wrong can say so.</summary>
internal sealed class YamlPlace
{
    private readonly string _file;
    private readonly string _path;
    private readonly YamlNode _node;

    private YamlPlace(string file, string path, YamlNode node)
    {
        _file = file;
        _path = path;
        _node = node;
    }

    /// <summary>The documents of a file, empty ones left out.</summary>
    public static List<YamlPlace> Documents(string file, Func<string, string>? prepare = null)
    {
        try
        {
            var text = File.ReadAllText(file);
            var stream = new YamlStream();
            stream.Load(new StringReader(prepare is null ? text : prepare(text)));
            return [.. stream.Documents.Where(d => d.RootNode is YamlMappingNode).Select(d => new YamlPlace(file, "", d.RootNode))];
        }
        catch (YamlException broken)
        {
            throw new FileProblem($"{file}, line {broken.Start.Line}: this is not valid YAML: {broken.InnerException?.Message ?? broken.Message}");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new FileProblem($"{file}: cannot be read: {unreadable.Message}");
        }
    }

    public FileProblem Problem(string message) =>
        new($"{_file}, line {_node.Start.Line}, {(_path.Length == 0 ? "top level" : _path)}: {message}");

    /// <summary>Absent when the field is missing or null.</summary>
    public YamlPlace? Field(string name)
    {
        if (_node is not YamlMappingNode mapping) throw Problem("a mapping of names to values is expected here");
        return mapping.Children.TryGetValue(new YamlScalarNode(name), out var child) && !IsNull(child)
            ? new YamlPlace(_file, _path.Length == 0 ? name : $"{_path}.{name}", child)
            : null;
    }

    public YamlPlace Required(string name) => Field(name) ?? throw Problem($"{name} is missing");

    public IEnumerable<(string Name, YamlPlace Value)> Fields()
    {
        if (_node is not YamlMappingNode mapping) throw Problem("a mapping of names to values is expected here");
        foreach (var (key, value) in mapping.Children)
        {
            var name = ((YamlScalarNode)key).Value ?? "";
            if (!IsNull(value)) yield return (name, new YamlPlace(_file, _path.Length == 0 ? name : $"{_path}.{name}", value));
        }
    }

    public IEnumerable<YamlPlace> Items()
    {
        if (_node is not YamlSequenceNode sequence) throw Problem("a list is expected here");
        return sequence.Children.Select((child, i) => new YamlPlace(_file, $"{_path}[{i}]", child));
    }

    public string Text() => _node is YamlScalarNode scalar ? scalar.Value ?? "" : throw Problem("a single value is expected here");

    public int Integer() => int.TryParse(Text(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
        ? number : throw Problem($"'{Text()}' is not a whole number");

    public bool Boolean() => bool.TryParse(Text(), out var flag) ? flag : throw Problem($"'{Text()}' is neither true nor false");

    /// <summary>A duration as Go writes it; a bare number counts milliseconds.</summary>
    public TimeSpan Duration() => GoDuration.TryParse(Text(), out var duration)
        ? duration : throw Problem($"'{Text()}' is not a duration such as 500ms, 5s or 1m30s");

    /// <summary>The value as component metadata sees it: scalars as they are written, anything else as its JSON text.</summary>
    public string ValueText() => _node is YamlScalarNode ? Text() : JsonSerializer.Serialize(Plain(_node));

    public List<string> Texts(string name) => Field(name) is { } list ? [.. list.Items().Select(i => i.Text())] : [];

    public Dictionary<string, string> TextMap(string name) =>
        Field(name)?.Fields().ToDictionary(f => f.Name, f => f.Value.ValueText()) ?? [];

    private static object? Plain(YamlNode node) => node switch
    {
        YamlMappingNode mapping => mapping.Children.ToDictionary(c => ((YamlScalarNode)c.Key).Value ?? "", c => Plain(c.Value)),
        YamlSequenceNode sequence => sequence.Children.Select(Plain).ToList(),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => PlainScalar(scalar.Value),
        YamlScalarNode scalar => scalar.Value,
        _ => null,
    };

    private static object? PlainScalar(string? value) =>
        value is null or "" or "~" or "null" ? null
        : bool.TryParse(value, out var flag) ? flag
        : decimal.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number
        : value;

    private static bool IsNull(YamlNode node) =>
        node is YamlScalarNode { Style: ScalarStyle.Plain } scalar && (scalar.Value is null or "" or "~" or "null");
}
