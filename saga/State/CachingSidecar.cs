using Saga.Dapr;

namespace Saga.State;

/// <summary>
/// Answers <see cref="ISidecar.ReadForUpdateAsync"/> with a prediction, where it has one: the document as this process has last written it, or as
/// <see cref="ISidecar.ReadManyAsync"/> has just read it. All other reads are real.
/// </summary>
/// <param name="suspendAfterMiss">See <see cref="VersionCache"/>.</param>
internal sealed class CachingSidecar(ISidecar behind, TimeProvider clock, int suspendAfterMiss = 1_000) : ISidecar
{
    private readonly VersionCache cache = new(suspendAfterMiss, clock);

    public async Task<Versioned<T>> ReadForUpdateAsync<T>(string key, CancellationToken ct) where T : class =>
        cache.TryGet<T>(key, out var predicted) ? predicted with { IsPredicted = true } : await ReadAsync<T>(key, ct);

    public async Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
    {
        var read = await behind.ReadAsync<T>(key, ct);
        cache.Learn(read);
        return read;
    }

    public async Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class
    {
        var read = await behind.ReadManyAsync<T>(keys, ct);
        foreach (var document in read) cache.OnRead(document);
        return read;
    }

    public async Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class
    {
        cache.Remove(read.Key);
        var isSaved = await behind.TrySaveAsync(read, value, timeToLive, ct);
        // A document with a time to live is closed; after its expiry it would come back with another version.
        if (isSaved && timeToLive is null) cache.OnWritten(read, value);
        // Without an ETag it was no entry of the cache that was stale: the document was expected to be missing.
        if (!isSaved && read is { IsPredicted: true, ETag.Length: > 0 }) cache.Suspend();
        return isSaved;
    }

    public Task DeleteAsync(string key, CancellationToken ct)
    {
        cache.Remove(key);
        return behind.DeleteAsync(key, ct);
    }

    public Task PublishAsync(OutgoingEvent e, CancellationToken ct) => behind.PublishAsync(e, ct);
}
