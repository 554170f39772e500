using Dapr.Client.Autogen.Grpc.v1;

namespace Shop.Doctor;

/// <summary>The kinds of state store and broker in use. All are checked through the sidecars, and a Redis directly too.</summary>
/// <param name="Types">Component name and type, such as state.redis; distinct.</param>
internal sealed record StoreCheck(IReadOnlyList<(string Name, string Type)> Types)
{
    private static readonly string[] InMemory = ["state.in-memory", "pubsub.in-memory"];

    /// <param name="metadata">Of the sidecars that answer.</param>
    public static StoreCheck Create(IEnumerable<GetMetadataResponse> metadata) => new(
    [
        .. metadata.SelectMany(one => one.RegisteredComponents).Select(component => (component.Name, component.Type))
            .Where(component => component.Type.StartsWith("state.", StringComparison.Ordinal) || component.Type.StartsWith("pubsub.", StringComparison.Ordinal))
            .Distinct().OrderBy(component => component.Name, StringComparer.Ordinal),
    ]);

    /// <summary>All components are in memory: there is no Redis to check.</summary>
    public bool IsEmbedded => Types.Count > 0 && Types.All(component => InMemory.Contains(component.Type));

    /// <summary>True as well when no sidecar answers: the component files may name a Redis.</summary>
    public bool HasRedis => Types.Count == 0 || Types.Any(component => component.Type.EndsWith(".redis", StringComparison.Ordinal));

    public StoreCheck WithoutRedis => new([.. Types.Where(component => !component.Type.EndsWith(".redis", StringComparison.Ordinal))]);

    /// <summary>Says of each component what was not looked at.</summary>
    /// <param name="redisCount">Number of Redis servers in the component files.</param>
    public IEnumerable<CheckResult> Describe(int redisCount)
    {
        var others = Types.Where(component => !component.Type.EndsWith(".redis", StringComparison.Ordinal) && !InMemory.Contains(component.Type));
        foreach (var (name, type) in others)
        {
            yield return CheckResult.Ok(name, "seen", $"{type}, through the sidecars; not its durability, replication and free space");
        }
        if (Types.Count > 0 && HasRedis && redisCount == 0)
        {
            yield return CheckResult.Warning("Redis", "not checked", "The component files do not name its address.",
                "Give the folder of component files that the sidecars were started with as --components; a host in a secret or a variable is not found.");
        }
    }
}
