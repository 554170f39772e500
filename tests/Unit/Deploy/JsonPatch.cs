using System.Text.Json.Nodes;

namespace Saga.Tests.Deploy;

/// <summary>JSON patches (RFC 6902) with test, add, replace and remove. Keys with ~ or / are not used here.</summary>
internal static class JsonPatch
{
    public static void Apply(JsonObject manifest, JsonArray operations, string path)
    {
        foreach (var operation in operations.Select(operation => Manifest.Parse<PatchOperation>(operation!)))
        {
            try
            {
                Apply(manifest, operation);
            }
            catch (Exception cannot) when (cannot is InvalidOperationException or ArgumentException or NullReferenceException)
            {
                Assert.Fail($"{path}: {operation} cannot be applied: {cannot.Message}");
            }
        }
    }

    private static void Apply(JsonObject manifest, PatchOperation operation)
    {
        var keys = operation.Path.Split('/')[1..];
        var parent = keys[..^1].Aggregate((JsonNode)manifest, (node, key) => (node is JsonArray list ? list[int.Parse(key, null)] : node[key])!);
        var last = keys[^1];
        if (operation.Op == "add" && parent is JsonArray extended && last == "-")
        {
            extended.Add(operation.Value?.DeepClone());
            return;
        }
        var (array, index) = (parent as JsonArray, parent is JsonArray ? int.Parse(last, null) : 0);
        var exists = array is not null ? index < array.Count : parent.AsObject().ContainsKey(last);
        if (!exists && operation.Op != "add") throw new InvalidOperationException("there is no such value.");
        switch (operation.Op)
        {
            case "test" when JsonNode.DeepEquals(array is not null ? array[index] : parent[last], operation.Value):
                break;
            case "add" when array is not null:
                array.Insert(index, operation.Value?.DeepClone());
                break;
            case "add" or "replace" when array is null:
                parent[last] = operation.Value?.DeepClone();
                break;
            case "replace":
                array![index] = operation.Value?.DeepClone();
                break;
            case "remove" when array is not null:
                array.RemoveAt(index);
                break;
            case "remove":
                parent.AsObject().Remove(last);
                break;
            default:
                throw new InvalidOperationException(operation.Op == "test" ? "the value is another." : "there is no such operation.");
        }
    }
}
