using System.Text.RegularExpressions;

namespace Daprd.Files;

/// <summary>A component as written, before secrets and variables are resolved.</summary>
internal sealed partial record ComponentFile(
    string Name, string Type, string Version, List<string> Scopes, string? SecretStore, List<ComponentFile.Entry> Entries, YamlNodeRef Source)
{
    internal sealed record Entry(string Name, string? Value, (string Name, string Key)? Secret, string? Variable);

    public static ComponentFile Read(YamlNodeRef document)
    {
        var spec = document.Required("spec");
        var name = document.Required("metadata").Required("name").Text();
        return new ComponentFile(
            name,
            spec.Required("type").Text(),
            spec.Field("version")?.Text() is { Length: > 0 } version ? version : "v1",
            document.Texts("scopes"),
            document.Field("auth")?.Field("secretStore")?.Text(),
            [.. (spec.Field("metadata")?.Items() ?? []).Select(ReadEntry)],
            document);
    }

    /// <summary>Without scopes a component is for every app.</summary>
    public bool Concerns(string appId) => Scopes.Count == 0 || Scopes.Contains(appId);

    /// <param name="secret">Returns the value of a secret by store, name and key; null if there is none.</param>
    public Component For(string appId, Func<string, string, string, string?> secret, Action<string> warn)
    {
        var metadata = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in Entries)
        {
            metadata[entry.Name] = Fill(Find(entry, secret, warn), appId);
        }

        return new Component(Name, Type, Version, metadata, Source);
    }

    private static Entry ReadEntry(YamlNodeRef entry)
    {
        var name = entry.Required("name").Text();
        var reference = entry.Field("secretKeyRef");
        return new Entry(
            name,
            entry.Field("value")?.ValueText(),
            reference is null ? null : (reference.Required("name").Text(), reference.Field("key")?.Text() ?? reference.Required("name").Text()),
            entry.Field("envRef")?.Text());
    }

    /// <summary>A missing secret or variable gives an empty value, which does not select the default.</summary>
    private string Find(Entry entry, Func<string, string, string, string?> secret, Action<string> warn)
    {
        if (entry.Value is not null) return entry.Value;
        if (entry.Secret is { } reference)
        {
            var value = SecretStore is null ? null : secret(SecretStore, reference.Name, reference.Key);
            if (value is null) warn($"component {Name}: secret {reference.Name} for {entry.Name} was not found in {SecretStore ?? "any store"}");
            return value ?? "";
        }

        if (entry.Variable is not { } variable) return "";
        if (variable == "APP_API_TOKEN" || variable.StartsWith("DAPR_", StringComparison.Ordinal) || variable.Contains(' '))
        {
            warn($"component {Name}: {entry.Name} may not be taken from the environment variable {variable}");
            return "";
        }

        return Environment.GetEnvironmentVariable(variable) ?? "";
    }

    private string Fill(string value, string appId)
    {
        if (!value.Contains('{')) return value;
        return Placeholder().Replace(value, found => found.Value switch
        {
            "{uuid}" => Guid.NewGuid().ToString(),
            "{appID}" => appId,
            "{namespace}" => $"{Environment.GetEnvironmentVariable("NAMESPACE")}.{appId}",
            _ => Environment.GetEnvironmentVariable("POD_NAME")
                ?? throw Source.Error("{podName} is used, but the environment variable POD_NAME is not set"),
        });
    }

    [GeneratedRegex(@"\{(uuid|appID|namespace|podName)\}")]
    private static partial Regex Placeholder();
}
