using Daprd.Resiliency;

namespace Daprd.Files;

/// <summary>The resources in the YAML files of the resource folders that apply to one app.</summary>
internal sealed record Resources(List<Component> Components, List<SubscriptionFile> Subscriptions, Policies Policies)
{
    /// <summary>Reads <c>*.yaml</c> and <c>*.yml</c> directly in each folder. Throws <see cref="ConfigurationException"/> at the first error.</summary>
    /// <param name="workingFolder">Base of relative paths in the files.</param>
    public static Resources Read(IEnumerable<string> folders, string appId, string workingFolder, Action<string> warn)
    {
        var components = new List<ComponentFile>();
        var subscriptions = new List<SubscriptionFile>();
        var policies = new List<ResiliencyFile>();
        foreach (var (at, document) in folders.SelectMany(Files).SelectMany(f => YamlNodeRef.Documents(f).Index()))
        {
            switch (document.Field("kind")?.Text())
            {
                case "Component":
                    var component = ComponentFile.Read(document);
                    if (!component.Concerns(appId)) break;
                    if (components.Any(c => c.Name == component.Name)) throw document.Error($"there is already a component named {component.Name}");
                    components.Add(component);
                    break;
                case "Subscription":
                    var subscription = SubscriptionFile.Read(document);
                    if (!subscription.Concerns(appId)) break;
                    if (subscriptions.Any(s => s.Name == subscription.Name)) throw document.Error($"there is already a subscription named {subscription.Name}");
                    subscriptions.Add(subscription);
                    break;
                case "Resiliency":
                    // As in daprd, which reads components and subscriptions from all documents of a file, and policies only from the first.
                    if (at > 0)
                    {
                        warn(document.Error("policies count only as the first document of a file; these are ignored").Message);
                        break;
                    }

                    var resiliency = ResiliencyFile.Read(document, warn);
                    if (resiliency.Concerns(appId)) policies.Add(resiliency);
                    break;
            }
        }

        return new Resources(Resolve(components, appId, workingFolder, warn), subscriptions, new Policies(policies));
    }

    private static IEnumerable<string> Files(string folder)
    {
        if (!Directory.Exists(folder)) throw new ConfigurationException($"{folder}: there is no such folder to read components from.");
        return Directory.EnumerateFiles(folder)
            .Where(f => Path.GetExtension(f) is ".yaml" or ".yml")
            .Order(StringComparer.Ordinal);
    }

    /// <summary>Secret stores first, because other components may refer to them.</summary>
    private static List<Component> Resolve(List<ComponentFile> files, string appId, string workingFolder, Action<string> warn)
    {
        var secrets = new Secrets(workingFolder);
        var resolved = new List<Component>();
        foreach (var file in files.OrderByDescending(f => Secrets.IsSecretStore(f.Type)))
        {
            var component = file.For(appId, secrets.Find, warn);
            if (Secrets.IsSecretStore(component.Type)) secrets.Add(component);
            resolved.Add(component);
        }

        return resolved;
    }
}
