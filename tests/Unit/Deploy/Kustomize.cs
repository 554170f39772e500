using System.Text.Json.Nodes;

namespace Saga.Tests.Deploy;

/// <summary>
/// The part of kustomize that deploy/kubernetes uses; anything else is refused. Names of generated ConfigMaps have no hash, and elements that a patch
/// adds to a list come last.
/// </summary>
internal static class Kustomize
{
    /// <summary>The manifests of a folder with a kustomization.yaml.</summary>
    /// <param name="components">Instead of those of the file. None: those of the file.</param>
    public static IReadOnlyList<JsonObject> Build(string folder, params string[] components)
    {
        var built = new List<JsonObject>();
        Apply(ReadFile(folder, components), folder, built);
        return built;
    }

    /// <summary>The files that it is built from, by their paths from the root.</summary>
    /// <inheritdoc cref="Build"/>
    public static IEnumerable<string> GetFiles(string folder, params string[] components)
    {
        var kustomization = ReadFile(folder, components);
        return
        [
            Repository.GetName($"{folder}/kustomization.yaml"),
            .. (kustomization.Patches ?? []).Select(patch => Repository.GetName($"{folder}/{patch.Path}")),
            .. (kustomization.Resources ?? []).Concat(kustomization.Components ?? []).Select(part => $"{folder}/{part}")
                .SelectMany(path => Directory.Exists(Repository.PathOf(path)) ? GetFiles(path) : [Repository.GetName(path)]),
        ];
    }

    private static Kustomization ReadFile(string folder, params string[] components)
    {
        var file = Manifest.Parse<Kustomization>(Yaml.Read($"{folder}/kustomization.yaml").Single());
        return components.Length > 0 ? file with { Components = components } : file;
    }

    private static void Apply(Kustomization kustomization, string folder, List<JsonObject> built)
    {
        foreach (var resource in kustomization.Resources ?? [])
        {
            var path = $"{folder}/{resource}";
            built.AddRange(Directory.Exists(Repository.PathOf(path)) ? Build(path) : Yaml.Read(path).Select(document => document.AsObject()));
        }
        foreach (var component in kustomization.Components ?? []) Apply(ReadFile($"{folder}/{component}"), $"{folder}/{component}", built);
        foreach (var map in kustomization.ConfigMapGenerator ?? [])
        {
            var data = map.Literals.Select(literal => literal.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], (JsonNode?)pair[1]));
            var metadata = new JsonObject { ["name"] = map.Name };
            built.Add(new() { ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["metadata"] = metadata, ["data"] = new JsonObject(data) });
        }
        foreach (var patch in kustomization.Patches ?? []) Patch(patch, $"{folder}/{patch.Path}", built);
        foreach (var image in kustomization.Images ?? []) SetImage(image, built);
        if (kustomization.Namespace is not { } name) return;
        foreach (var manifest in built.Where(manifest => Text(manifest, "kind") != "Namespace")) manifest["metadata"]!["namespace"] = name;
    }

    private static void Patch(PatchFile patch, string path, List<JsonObject> built)
    {
        var content = Yaml.Read(path).Single();
        var target = patch.Target ?? new(null, Text(content, "kind"), Text(content, "metadata", "name"), null);
        var matching = built.Where(manifest => Matches(manifest, target)).ToArray();
        Assert.True(matching.Length > 0, $"{path} has nothing to patch.");
        foreach (var manifest in matching)
        {
            if (content is JsonArray operations) JsonPatch.Apply(manifest, operations, path);
            else Merge(manifest, Content(content), listsByName: !Text(manifest, "apiVersion")!.Contains('.'));
        }
    }

    /// <summary>Without what says which manifest it is.</summary>
    private static JsonObject Content(JsonNode patch)
    {
        var content = patch.DeepClone().AsObject();
        foreach (var name in (string[])["apiVersion", "kind"]) content.Remove(name);
        content["metadata"]!.AsObject().Remove("name");
        return content;
    }

    private static bool Matches(JsonObject manifest, PatchTarget target) =>
        (target.Kind is null || target.Kind == Text(manifest, "kind"))
        && (target.Name is null || target.Name == Text(manifest, "metadata", "name"))
        && (target.Group is null || Text(manifest, "apiVersion")!.StartsWith($"{target.Group}/", StringComparison.Ordinal))
        && (target.LabelSelector?.Split('=') is not [var key, var value] || Text(manifest, "metadata", "labels", key) == value);

    /// <param name="listsByName">For kinds whose schema kustomize knows: elements of the same name are one. Otherwise a list replaces a list.</param>
    private static void Merge(JsonObject into, JsonObject patch, bool listsByName)
    {
        foreach (var (key, value) in patch)
        {
            if (value is null) into.Remove(key);
            else if (value is JsonObject map && into[key] is JsonObject before) Merge(before, map, listsByName);
            else if (listsByName && value is JsonArray list && into[key] is JsonArray old && list.Concat(old).All(HasName)) MergeByName(old, list);
            else into[key] = value.DeepClone();
        }
    }

    private static void MergeByName(JsonArray into, JsonArray patch)
    {
        foreach (var element in patch.OfType<JsonObject>())
        {
            var same = into.OfType<JsonObject>().FirstOrDefault(one => Text(one, "name") == Text(element, "name"));
            if (same is not null) Merge(same, element, listsByName: true);
            else into.Add(element.DeepClone());
        }
    }

    private static bool HasName(JsonNode? element) => Text(element!, "name") is not null;

    private static void SetImage(ImageTag image, List<JsonObject> built)
    {
        var containers = built.SelectMany(manifest => manifest["spec"]?["template"]?["spec"]?["containers"]?.AsArray() ?? [])
            .Where(container => Text(container!, "image") == image.Name).ToArray();
        Assert.True(containers.Length > 0, $"No container has the image {image.Name}.");
        foreach (var container in containers) container!["image"] = $"{image.NewName ?? image.Name}:{image.NewTag}";
    }

    private static string? Text(JsonNode node, params ReadOnlySpan<string> path)
    {
        JsonNode? found = node;
        foreach (var key in path) found = (found as JsonObject)?[key];
        return found is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
    }
}
