using Dapr.Client.Autogen.Grpc.v1;

namespace Shop.Doctor;

/// <summary>What the shop's store and broker are, by what the sidecars say, and which of them the doctor can look at.</summary>
/// <param name="Types">Such as state.redis, each once.</param>
internal sealed record StoreExam(IReadOnlyList<(string Name, string Type)> Types)
{
    private static readonly string[] InMemory = ["state.in-memory", "pubsub.in-memory"];

    /// <param name="said">By the sidecars that answer.</param>
    public static StoreExam Of(IEnumerable<GetMetadataResponse> said) => new(
    [
        .. said.SelectMany(one => one.RegisteredComponents).Select(component => (component.Name, component.Type))
            .Where(component => component.Type.StartsWith("state.", StringComparison.Ordinal) || component.Type.StartsWith("pubsub.", StringComparison.Ordinal))
            .Distinct().OrderBy(component => component.Name, StringComparer.Ordinal),
    ]);

    /// <summary>Everything is in the memory of whoever runs it: there is nothing to look at, whatever files say.</summary>
    public bool IsEmbedded => Types.Count > 0 && Types.All(component => InMemory.Contains(component.Type));

    /// <summary>Also where no sidecar says what it has: the files may.</summary>
    public bool HasRedis => Types.Count == 0 || Types.Any(component => component.Type.EndsWith(".redis", StringComparison.Ordinal));

    /// <param name="redisInFiles">How many Redis the component files name.</param>
    public IEnumerable<Diagnosis> NotLookedAt(int redisInFiles)
    {
        foreach (var (name, type) in Types.Where(component => !component.Type.EndsWith(".redis", StringComparison.Ordinal) && !InMemory.Contains(component.Type)))
        {
            yield return Diagnosis.Warning(name, "not looked at", $"{type}: whether it answers in time, has room and keeps what it is given. Only Redis is looked at.",
                "Look at it with its own tools. What its sidecars and services say of it is above.");
        }
        if (Types.Count > 0 && HasRedis && redisInFiles == 0)
        {
            yield return Diagnosis.Warning("Redis", "not looked at", "The component files do not say where it is.",
                "Say with --components where the files are that the sidecars were started with; a host that comes from a secret or a variable is not found.");
        }
    }
}
