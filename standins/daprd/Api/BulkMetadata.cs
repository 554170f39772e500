namespace Daprd.Api;

internal static class BulkMetadata
{
    /// <summary>An entry's own metadata over the request's. An entry without any gets none of the request's either: so it is in daprd.</summary>
    public static Dictionary<string, string>? OfEntry(IDictionary<string, string>? entry, IDictionary<string, string> request)
    {
        if (entry is null || entry.Count == 0) return null;
        var merged = new Dictionary<string, string>(request);
        foreach (var (name, value) in entry) merged[name] = value;
        return merged;
    }
}
