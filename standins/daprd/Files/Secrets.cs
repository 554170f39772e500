using System.Text.Json;

namespace Daprd.Files;

/// <summary>The development secret stores: a local JSON file, and the environment.</summary>
/// <param name="folder">Base of relative paths.</param>
internal sealed class Secrets(string folder)
{
    private readonly Dictionary<string, Func<string, string?>> stores = [];

    public static bool IsSecretStore(string type) => type.StartsWith("secretstores.", StringComparison.Ordinal);

    public void Add(Component component)
    {
        stores[component.Name] = component.Type switch
        {
            "secretstores.local.file" => LocalFile(component),
            "secretstores.local.env" => LocalEnvironment(component),
            _ => throw component.Source.Error($"{component.Type} is not in this stand-in, which knows secretstores.local.file and secretstores.local.env"),
        };
    }

    /// <summary>A secret of these stores has one value, whose key is the name of the secret.</summary>
    public string? Find(string store, string name, string key) =>
        key == name && stores.TryGetValue(store, out var find) ? find(name) : null;

    private Func<string, string?> LocalFile(Component component)
    {
        if (component.Flag("multiValued")) throw component.Source.Error($"multiValued, which {component.Name} asks for, is not in this stand-in");
        var path = Path.GetFullPath(component.Value("secretsFile"), folder);
        var separator = component.Value("nestedSeparator") is { Length: > 0 } given ? given : ":";
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var flat = new Dictionary<string, string>();
            Flatten(document.RootElement, "", separator, flat);
            return name => flat.GetValueOrDefault(name);
        }
        catch (Exception broken) when (broken is IOException or UnauthorizedAccessException or JsonException or ArgumentException)
        {
            throw component.Source.Error($"secretsFile '{path}' of {component.Name} cannot be read: {broken.Message}");
        }
    }

    private static void Flatten(JsonElement element, string prefix, string separator, Dictionary<string, string> into)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            into[prefix] = element.ValueKind == JsonValueKind.String ? element.GetString()! : element.GetRawText();
            return;
        }

        foreach (var member in element.EnumerateObject())
        {
            Flatten(member.Value, prefix.Length == 0 ? member.Name : prefix + separator + member.Name, separator, into);
        }
    }

    private static Func<string, string?> LocalEnvironment(Component component)
    {
        var prefix = component.Value("prefix");
        return name => name == "APP_API_TOKEN" || name.StartsWith("DAPR_", StringComparison.Ordinal)
            ? null
            : Environment.GetEnvironmentVariable(prefix + name);
    }
}
