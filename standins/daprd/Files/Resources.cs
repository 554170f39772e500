namespace Daprd.Files;

/// <summary>The resources in the YAML files of the resource folders that apply to one app.</summary>
internal sealed record Resources(IReadOnlyList<Component> Components, IReadOnlyList<ResiliencyFile> Policies)
{
    /// <summary>Reads <c>*.yaml</c> and <c>*.yml</c> directly in each folder. Throws <see cref="ConfigurationException"/> at the first error.</summary>
    public static Resources Read(IEnumerable<string> folders, string appId, Action<string> warn)
    {
        var components = new List<Component>();
        var policies = new List<ResiliencyFile>();
        foreach (var (at, document) in folders.SelectMany(Files).SelectMany(f => YamlNodeRef.Documents(f).Index()))
        {
            // A resource without scopes is for every app.
            if (document.Texts("scopes") is { Count: > 0 } scopes && !scopes.Contains(appId)) continue;
            switch (document.Field("kind")?.Text())
            {
                case "Component":
                    var component = Component.Read(document);
                    if (components.Any(c => c.Name == component.Name)) throw document.Error($"there is already a component named {component.Name}");
                    components.Add(component);
                    break;
                // As in daprd, which reads components from all documents of a file, and policies only from the first.
                case "Resiliency" when at > 0:
                    warn(document.Error("policies count only as the first document of a file; these are ignored").Message);
                    break;
                case "Resiliency":
                    policies.Add(ResiliencyFile.Read(document, warn));
                    break;
                case "Subscription":
                    warn(document.Error("subscriptions in files are not in this stand-in for daprd; this is ignored").Message);
                    break;
            }
        }

        return new Resources(components, policies);
    }

    private static IEnumerable<string> Files(string folder)
    {
        if (!Directory.Exists(folder)) throw new ConfigurationException($"{folder}: there is no such folder to read components from.");
        return Directory.EnumerateFiles(folder).Where(f => Path.GetExtension(f) is ".yaml" or ".yml").Order(StringComparer.Ordinal);
    }
}
