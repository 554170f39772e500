namespace Daprd.Files;

/// <param name="Type">As written, for example <c>state.redis</c>.</param>
/// <param name="Metadata">Names are case-insensitive.</param>
internal sealed record Component(string Name, string Type, string Version, IReadOnlyDictionary<string, string> Metadata, YamlNodeRef Source)
{
    public static Component Read(YamlNodeRef document)
    {
        var spec = document.Required("spec");
        var metadata = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in spec.Field("metadata")?.Items() ?? [])
        {
            var name = entry.Required("name").Text();
            if ((entry.Field("secretKeyRef") ?? entry.Field("envRef")) is { } reference)
            {
                throw reference.Error("secrets and variables in component files are not in this stand-in for daprd");
            }

            metadata[name] = entry.Field("value")?.Text() ?? "";
        }

        return new Component(
            document.Required("metadata").Required("name").Text(), spec.Required("type").Text(), spec.Field("version")?.Text() ?? "v1", metadata, document);
    }

    /// <summary>Empty if the name is absent.</summary>
    public string Value(string name) => Metadata.GetValueOrDefault(name, "");

    public int Integer(string name, int absent) =>
        Value(name) is { Length: > 0 } text
            ? int.TryParse(text, out var number) ? number : throw Wrong(name, "a whole number")
            : absent;

    public bool Flag(string name) => Value(name).ToLowerInvariant() is "true" or "1" or "y" or "yes" or "t" or "on";

    /// <summary>A plain number is in milliseconds.</summary>
    public TimeSpan Duration(string name, TimeSpan absent) =>
        Value(name) is { Length: > 0 } text
            ? GoDuration.TryParse(text, out var duration) ? duration : throw Wrong(name, "a duration such as 500ms or 5s")
            : absent;

    private ConfigurationException Wrong(string name, string expected) => Source.Error($"{name} of {Name} is '{Value(name)}', which is not {expected}");
}
