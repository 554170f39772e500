namespace Daprd.Api;

internal static class BulkMetadata
{
    /// <summary>Merges an entry's metadata over the request's. As in daprd, an entry without metadata gets none of the request's either.</summary>
    public static Dictionary<string, string>? OfEntry(IDictionary<string, string>? entry, IDictionary<string, string> request)
    {
        if (entry is null || entry.Count == 0) return null;
        var merged = new Dictionary<string, string>(request);
        foreach (var (name, value) in entry) merged[name] = value;
        return merged;
    }
}
