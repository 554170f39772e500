using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Grpc.Core;

namespace Saga.Tests;

/// <summary>The faults of a sidecar, each as a probability per operation.</summary>
/// <param name="Fails">The operation fails without effect.</param>
/// <param name="FailsAfter">The operation fails after it took effect.</param>
/// <param name="Pauses">The caller is suspended for up to two minutes before the operation.</param>
/// <param name="Refuses">Redis refuses the write, and daprd reports that as a conflict.</param>
public sealed record SidecarFaults(double Fails, double FailsAfter, double Pauses, double Refuses = 0)
{
    public static readonly SidecarFaults None = new(0, 0, 0);
}

/// <summary>The sidecar, the store or the broker did not answer.</summary>
public sealed class SidecarDownException() : global::Dapr.DaprException("The sidecar did not answer.");

/// <summary>The form of the ETags of a store.</summary>
public enum ETagForm
{
    /// <summary>Counts the versions of a document from 1, as Redis.</summary>
    Version,
    /// <summary>A UUID for each write, as PostgreSQL.</summary>
    Uuid,
    /// <summary>The number of the write in the whole store, as the transaction ids of state.postgresql v1.</summary>
    Write,
}

/// <summary>The documents of all services under first-write concurrency.</summary>
/// <param name="refusesMissing">A write with an ETag to a key that is gone is refused, as by Dapr 1.19.0 and 1.19.1; otherwise it succeeds.</param>
public sealed class SimulatedStore(bool refusesMissing = false, ETagForm etags = ETagForm.Version)
{
    private readonly Dictionary<string, Kept> documents = [];
    private readonly HashSet<(string Key, string ETag)> issued = [];
    /// <summary>Transactions have long been counted when the first document is written.</summary>
    private long writes = 1_000;

    private sealed record Kept(object Value, long Version, string ETag, TimeSpan? TimeToLive);

    /// <summary>Refused writes with an ETag that the document never had: predictions that were wrong, not stale.</summary>
    public int Mispredicted { get; private set; }

    public (object? Value, string ETag) Read(string key) => documents.TryGetValue(key, out var kept) ? (kept.Value, kept.ETag) : (null, "");

    /// <param name="timeToLive">
    /// Of this write alone, as in PostgreSQL: a write without one clears that of an earlier write. Null: the document does not expire.
    /// </param>
    /// <returns>False: a conflict.</returns>
    /// <exception cref="ArgumentException">This is no ETag of the store.</exception>
    public bool TryWrite(string key, object value, string etag, TimeSpan? timeToLive = null)
    {
        if (etags == ETagForm.Uuid && etag.Length > 0 && !Guid.TryParseExact(etag, "D", out _)) throw new ArgumentException($"'{etag}' is no UUID.");
        if (!documents.TryGetValue(key, out var kept))
        {
            if (refusesMissing && etag.Length > 0) return false;
        }
        else if (etag != kept.ETag)
        {
            if (etag.Length > 0 && !issued.Contains((key, etag))) Mispredicted++;
            return false;
        }
        writes++;
        var version = (kept?.Version ?? 0) + 1;
        var written = etags switch
        {
            ETagForm.Version => $"{version}",
            ETagForm.Uuid => $"{new Guid(0, 0, 0, BitConverter.GetBytes(writes))}",
            ETagForm.Write => $"{writes}",
        };
        issued.Add((key, written));
        documents[key] = new(value, version, written, timeToLive);
        return true;
    }

    /// <summary>Null: the document does not expire.</summary>
    public TimeSpan? GetTimeToLive(string key) => documents[key].TimeToLive;

    /// <summary>The documents, each with its version.</summary>
    public IReadOnlyDictionary<string, long> Versions => documents.ToDictionary(document => document.Key, document => document.Value.Version);

    public void Delete(string key) => documents.Remove(key);

    /// <summary>A failover to a replica that lacks the last writes.</summary>
    /// <returns>Loses what is written to the document until it is called.</returns>
    public Action Replicate(string key)
    {
        var replica = documents[key];
        return () => documents[key] = replica;
    }

    public IEnumerable<T> All<T>(string prefix) =>
        documents.Where(document => document.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(document => (T)document.Value.Value);

    /// <summary>The documents of one type, by key prefix.</summary>
    public IEnumerable<T> Find<T>(string prefix) =>
        documents.Where(document => document.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(document => document.Value.Value).OfType<T>();
}

/// <summary>One instance's sidecar in a world.</summary>
/// <param name="prefix">The app id: services share the store, not the keys.</param>
/// <param name="json">The serialization of documents. Null: they are kept as objects, which is faster.</param>
/// <param name="dead">True: the instance has crashed, and none of its operations returns.</param>
public sealed class SimulatedSidecar(
    World world, SimulatedStore store, string prefix, JsonSerializerOptions? json, Func<SidecarFaults> faults, Func<bool> dead,
    Action<OutgoingEvent> publish) : ISidecar
{
    /// <summary>Bytes of a call, at most, as gRPC and daprd have it by default.</summary>
    private const int CallMax = 4 * 1024 * 1024;

    private readonly SimulatedCalls calls = new(world, prefix, faults, dead);

    public Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class => InterceptAsync(() => $"read {key}", () => Read<T>(key));

    public Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class =>
        keys.Count == 0
            ? Task.FromResult<IReadOnlyList<Versioned<T>>>([])
            : InterceptAsync<IReadOnlyList<Versioned<T>>>(() => $"read {string.Join(' ', keys)}", () => [.. keys.Select(Read<T>)]);

    public Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class =>
        InterceptAsync(() => $"write {read.Key} {read.ETag} {value}", () =>
        {
            var written = store.TryWrite($"{prefix}||{read.Key}", ThroughJson(value), read.ETag, timeToLive);
            // Redis errors are reported as conflicts too.
            return written && !world.Happens(faults().FailsAfter);
        });

    public Task DeleteAsync(string key, CancellationToken ct) => InterceptAsync(() => $"delete {key}", () =>
    {
        store.Delete($"{prefix}||{key}");
        return true;
    });

    public Task PublishAsync(OutgoingEvent e, CancellationToken ct) => InterceptAsync(() => $"publish {e.Id}", () =>
    {
        publish(e);
        return true;
    });

    private Versioned<T> Read<T>(string key) where T : class
    {
        var (value, etag) = store.Read($"{prefix}||{key}");
        // An order of the tests may lack its history.
        return value is not Orders.Order && (value as IHasInvariants)?.FindProblem(key) is { } problem
            ? throw new CorruptDocumentException($"{key} is corrupt: {problem}.")
            : value is T or null ? new(key, (T?)value, etag)
            : throw new CorruptDocumentException($"{key} is corrupt, no {typeof(T).Name}: it is a {value.GetType().Name}.");
    }

    private T ThroughJson<T>(T value) where T : class
    {
        if (json is null) return value;
        var type = (JsonTypeInfo<T>)json.GetTypeInfo(typeof(T));
        var bytes = JsonSerializer.SerializeToUtf8Bytes(value, type);
        return bytes.Length <= CallMax ? JsonSerializer.Deserialize(bytes, type)!
            : throw new RpcException(new Status(StatusCode.ResourceExhausted, $"A document of {bytes.Length} bytes is too large."));
    }

    private async Task<T> InterceptAsync<T>(Func<string> what, Func<T> operation)
    {
        try
        {
            return await calls.InterceptAsync(what, operation);
        }
        catch (RpcException)
        {
            throw new SidecarDownException();
        }
    }
}

/// <summary>The calls of one instance to its sidecar: when they take effect, and whether they fail.</summary>
/// <param name="name">The app id.</param>
/// <param name="dead">True: the instance has crashed, and none of its calls returns.</param>
public sealed class SimulatedCalls(World world, string name, Func<SidecarFaults> faults, Func<bool> dead)
{
    public static RpcException Down => new(new Status(StatusCode.Unavailable, "The sidecar did not answer."));

    /// <param name="what">A line of the trace.</param>
    /// <param name="operation">The effect of the call; it may throw.</param>
    public async Task<T> InterceptAsync<T>(Func<string> what, Func<T> operation)
    {
        var chances = faults();
        if (world.Happens(chances.Pauses)) await world.TurnAsync(dead, TimeSpan.FromSeconds(world.Chance.Next(1, 90)));
        await world.TurnAsync(dead);
        if (world.Happens(chances.Fails))
        {
            world.Note(() => $"{name}: {what()} FAILED");
            throw Down;
        }
        T result;
        try
        {
            result = operation();
        }
        catch (RpcException refused)
        {
            world.Note(() => $"{name}: {what()} => {refused.Status.Detail}");
            await world.TurnAsync(dead);
            throw;
        }
        if (world.Happens(chances.FailsAfter))
        {
            world.Note(() => $"{name}: {what()} => {Shown(result)}, REPORTED AS FAILED");
            throw Down;
        }
        world.Note(() => $"{name}: {what()} => {Shown(result)}");
        await world.TurnAsync(dead);
        return result;
    }

    private static string Shown(object? result) => result is bool done ? done.ToString() : "";
}

/// <summary>A decorator through which a test intercepts each operation.</summary>
internal abstract class SidecarDecorator(ISidecar behind) : ISidecar
{
    protected abstract Task<T> InterceptAsync<T>(Func<Task<T>> operation);

    public Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class => InterceptAsync(() => behind.ReadAsync<T>(key, ct));

    public Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class =>
        InterceptAsync(() => behind.ReadManyAsync<T>(keys, ct));

    public Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class =>
        InterceptAsync(() => behind.TrySaveAsync(read, value, timeToLive, ct));

    public Task DeleteAsync(string key, CancellationToken ct) => InterceptAsync(async () =>
    {
        await behind.DeleteAsync(key, ct);
        return true;
    });

    public Task PublishAsync(OutgoingEvent e, CancellationToken ct) => InterceptAsync(async () =>
    {
        await behind.PublishAsync(e, ct);
        return true;
    });
}
