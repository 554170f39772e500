using System.Globalization;
using Saga.Dapr;

namespace Saga.State;

/// <summary>
/// Cache of documents with their predicted ETag: as this process last wrote them, or as a precheck has just read them. An update of a
/// cached document skips its read.
/// </summary>
/// <remarks>
/// An entry is a prediction. A write by another process makes it stale and costs one failed compare-and-set, after which the document is
/// read; a stale entry is never trusted for an answer that writes nothing. An evicted entry costs a read.
/// </remarks>
/// <param name="suspendAfterMiss">
/// Updates that read before they write after a stale entry was met, at least 0: where several processes write the same documents, most
/// predictions would be wrong.
/// </param>
internal sealed class VersionCache(int suspendAfterMiss)
{
    /// <summary>Entries per generation. An entry that was not written for a whole generation is evicted.</summary>
    private const int GenerationMax = 8_000;

    private readonly Lock gate = new();
    private Dictionary<string, object> current = [];
    private Dictionary<string, object> previous = [];
    /// <summary>The store counts its versions from 1. False until its first ETag has shown that.</summary>
    private bool isCounter;
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
            if (!current.TryGetValue(key, out var known) && !previous.TryGetValue(key, out known)) return false;
            document = (Versioned<T>)known;
            return true;
        }
    }

    /// <summary>Learns from an ETag that the store has returned. A store with other ETags refuses a predicted one, and not as a conflict.</summary>
    public void Learn(string etag)
    {
        if (etag.Length > 0) Volatile.Write(ref isCounter, TryParseCounter(etag, out _));
    }

    /// <summary>Caches what this process wrote over <paramref name="read"/>.</summary>
    public void OnWritten<T>(Versioned<T> read, T value) where T : class
    {
        if (PredictETagAfter(read.ETag) is not { } version) return;
        lock (gate) Add(new Versioned<T>(read.Key, value, version));
    }

    /// <summary>Caches what was read, unless this process has written a newer version meanwhile.</summary>
    public void OnRead<T>(Versioned<T> read) where T : class
    {
        Learn(read.ETag);
        if (!TryParseCounter(read.ETag, out var version)) return;
        lock (gate)
        {
            var isKnown = current.TryGetValue(read.Key, out var known) || previous.TryGetValue(read.Key, out known);
            if (isKnown && TryParseCounter(((Versioned<T>)known!).ETag, out var written) && written >= version) return;
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
        lock (gate) readsLeft = suspendAfterMiss;
    }

    private void Add<T>(Versioned<T> document) where T : class
    {
        if (current.Count >= GenerationMax) (previous, current) = (current, []);
        current[document.Key] = document;
    }

    /// <summary>Null: ETags of this store cannot be predicted. Dapr promises nothing about them; Redis and some other stores count.</summary>
    private string? PredictETagAfter(string etag) =>
        etag.Length == 0 ? (Volatile.Read(ref isCounter) ? "1" : null)
        : TryParseCounter(etag, out var version) ? (version + 1).ToString(CultureInfo.InvariantCulture)
        : null;

    private static bool TryParseCounter(string etag, out long version) => long.TryParse(etag, NumberStyles.None, CultureInfo.InvariantCulture, out version);
}
