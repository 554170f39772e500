using System.Globalization;
using Saga.Dapr;

namespace Saga.State;

/// <summary>
/// Cache of documents with their predicted ETag: as this process last wrote them, or as it has read them together. An update of a cached
/// document skips its read.
/// </summary>
/// <remarks>
/// An entry is a prediction. A write by another process makes it stale and costs one failed compare-and-set, after which the document is
/// read; a stale entry is never trusted for an answer that writes nothing. An evicted or old entry costs a read.
/// An ETag of an own write is predicted only where the store was seen to count: Dapr promises nothing about ETags. Redis counts the versions of a
/// document; PostgreSQL has UUIDs, or the numbers of its transactions.
/// </remarks>
/// <param name="suspendAfterMiss">
/// Updates that read before they write after a stale entry was met, at least 0: where several processes write the same documents, most
/// predictions would be wrong.
/// </param>
internal sealed class VersionCache(int suspendAfterMiss, TimeProvider clock)
{
    /// <summary>
    /// Shorter than the failover of a store to a replica (Redis Sentinel waits for 30 s by default, a cluster for 15 s). That can lose the last
    /// writes, and other writers then get their ETags: an older prediction could match another's write and undo it.
    /// </summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    /// <summary>Entries per generation. An entry that was not written for a whole generation is evicted.</summary>
    private const int GenerationMax = 8_000;

    private readonly Lock gate = new();
    private Dictionary<string, (object Document, long Since)> current = [];
    private Dictionary<string, (object Document, long Since)> previous = [];
    /// <summary>A document was read with the ETag that had been predicted for it. False again after a stale entry.</summary>
    private bool counts;
    /// <summary>An ETag that is no number was read: it is neither predicted nor compared.</summary>
    private bool isOpaque;
    private int readsLeft;

    public bool TryGet<T>(string key, out Versioned<T> document) where T : class
    {
        document = default;
        lock (gate)
        {
            if (readsLeft > 0)
            {
                readsLeft--;
                return false;
            }
            if (Find<T>(key) is not { } known || known.IsPredicted && !counts) return false;
            document = known;
            return true;
        }
    }

    /// <summary>Learns from what the store has returned how it makes ETags.</summary>
    public void Learn<T>(Versioned<T> read) where T : class
    {
        if (read.ETag.Length == 0) return;
        lock (gate)
        {
            if (TryParseNumber(read.ETag) is null) (isOpaque, counts) = (true, false);
            else if (Find<T>(read.Key) is { IsPredicted: true } written && written.ETag == read.ETag) counts = true;
        }
    }

    /// <summary>Caches what this process wrote over <paramref name="read"/>.</summary>
    public void OnWritten<T>(Versioned<T> read, T value) where T : class
    {
        lock (gate)
        {
            if (PredictETagAfter(read.ETag) is { } version) Add(new Versioned<T>(read.Key, value, version, IsPredicted: true));
        }
    }

    /// <summary>Caches what was read, unless this process has written a newer version meanwhile.</summary>
    public void OnRead<T>(Versioned<T> read) where T : class
    {
        Learn(read);
        if (TryParseNumber(read.ETag) is not { } version) return;
        lock (gate)
        {
            // Versions of a store that does not count say nothing about which is newer.
            if (Find<T>(read.Key) is { } known && (TryParseNumber(known.ETag) >= version || known.IsPredicted && !counts)) return;
            Add(read);
        }
    }

    public void Remove(string key)
    {
        lock (gate)
        {
            current.Remove(key);
            previous.Remove(key);
        }
    }

    public void Suspend()
    {
        lock (gate) (readsLeft, counts) = (suspendAfterMiss, false);
    }

    /// <summary>Null: there is none, or it is older than <see cref="MaxAge"/>.</summary>
    private Versioned<T>? Find<T>(string key) where T : class =>
        (current.TryGetValue(key, out var known) || previous.TryGetValue(key, out known))
        && known.Document is Versioned<T> document && clock.GetElapsedTime(known.Since) < MaxAge
            ? document
            : null;

    private void Add<T>(Versioned<T> document) where T : class
    {
        if (current.Count >= GenerationMax) (previous, current) = (current, []);
        current[document.Key] = (document, clock.GetTimestamp());
    }

    /// <returns>Null: ETags of this store cannot be predicted.</returns>
    private string? PredictETagAfter(string etag) =>
        isOpaque ? null
        : etag.Length == 0 ? "1"
        : (TryParseNumber(etag) + 1)?.ToString(CultureInfo.InvariantCulture);

    private static long? TryParseNumber(string etag) =>
        long.TryParse(etag, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < long.MaxValue ? number : null;
}
