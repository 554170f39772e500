using System.Globalization;

namespace Daprd.State;

/// <summary>
/// state.in-memory: lost with the process. Unlike state.redis it rejects an ETag for a missing key, and every first-write without ETag
/// on an existing key.
/// </summary>
internal sealed class InMemoryState(TimeProvider time) : IStateStore
{
    private readonly Dictionary<string, Entry> entries = [];
    private readonly Lock gate = new();
    private long nextSweep;

    private sealed record Entry(byte[] Data, string Etag, DateTimeOffset? ExpiresAt);

    public IReadOnlyList<string> Capabilities { get; } = ["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "ACTOR"];

    public Task<StateValue?> GetAsync(string key)
    {
        lock (gate)
        {
            var entry = Unexpired(key);
            return Task.FromResult(entry is null ? null : new StateValue(
                entry.Data,
                entry.Etag,
                entry.ExpiresAt?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)));
        }
    }

    public Task SetAsync(StateWrite write)
    {
        lock (gate)
        {
            RemoveExpired();
            Check(write.Key, write.Etag, write.FirstWrite);
            DateTimeOffset? expiresAt = write.TtlSeconds is > 0 and var seconds ? time.GetUtcNow().AddSeconds(seconds) : null;
            entries[write.Key] = new Entry(write.Data.ToArray(), Guid.NewGuid().ToString(), expiresAt);
        }

        return Task.CompletedTask;
    }

    public Task DeleteAsync(string key)
    {
        lock (gate) entries.Remove(key);
        return Task.CompletedTask;
    }

    private void Check(string key, string etag, bool firstWrite)
    {
        var entry = Unexpired(key);
        if (etag.Length > 0 && entry?.Etag != etag)
        {
            throw new EtagException(invalid: false, $"state etag of {key} is {entry?.Etag ?? "absent"}, not {etag}");
        }

        if (etag.Length == 0 && firstWrite && entry is not null) throw new EtagException(invalid: false, $"{key} was already written");
    }

    private Entry? Unexpired(string key) =>
        entries.TryGetValue(key, out var entry) && !(entry.ExpiresAt <= time.GetUtcNow()) ? entry : null;

    /// <summary>At most once a second.</summary>
    private void RemoveExpired()
    {
        var now = time.GetUtcNow();
        if (now.ToUnixTimeSeconds() < nextSweep) return;
        nextSweep = now.ToUnixTimeSeconds() + 1;
        foreach (var (key, entry) in entries)
        {
            if (entry.ExpiresAt <= now) entries.Remove(key);
        }
    }
}
