using System.Globalization;

namespace Saga;

/// <summary>
/// Documents as this process has written them last, with the version they must have since, or as a look-up has just read them: who changes
/// one again need not read it first.
/// Somebody else's write makes the guess wrong and so the next write here a lost one, after which the document is read, as after every
/// lost write. What is forgotten costs a read.
/// </summary>
/// <param name="suspendAfterMiss">
/// Where several processes write the same documents most guesses would be wrong: so many documents are read before it is tried again.
/// </param>
internal sealed class VersionCache(int suspendAfterMiss)
{
    /// <summary>Two generations of so many documents: what was not written for a whole generation is forgotten.</summary>
    private const int GenerationMax = 8_000;

    private readonly Lock gate = new();
    private Dictionary<string, object> young = [];
    private Dictionary<string, object> old = [];
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
            if (!young.TryGetValue(key, out var known) && !old.TryGetValue(key, out known)) return false;
            document = (Versioned<T>)known;
            return true;
        }
    }

    /// <summary>It was written, from what was read before.</summary>
    public void OnWritten<T>(Versioned<T> read, T value) where T : class
    {
        if (VersionAfter(read.ETag) is not { } version) return;
        lock (gate) Keep(new Versioned<T>(read.Key, value, version));
    }

    /// <summary>It was read as it is now, unless this process has written it since.</summary>
    public void OnRead<T>(Versioned<T> read) where T : class
    {
        if (!TryCount(read.ETag, out var version)) return;
        lock (gate)
        {
            var isKnown = young.TryGetValue(read.Key, out var known) || old.TryGetValue(read.Key, out known);
            if (isKnown && TryCount(((Versioned<T>)known!).ETag, out var written) && written >= version) return;
            Keep(read);
        }
    }

    public void Remove(string key)
    {
        lock (gate)
        {
            young.Remove(key);
            old.Remove(key);
        }
    }

    public void Suspend()
    {
        lock (gate) readsLeft = suspendAfterMiss;
    }

    private void Keep<T>(Versioned<T> document) where T : class
    {
        if (young.Count >= GenerationMax) (old, young) = (young, []);
        young[document.Key] = document;
    }

    /// <summary>Null: in this store versions cannot be guessed. Dapr promises nothing about ETags; Redis and some others count.</summary>
    private static string? VersionAfter(string etag) =>
        etag.Length == 0 ? "1" : TryCount(etag, out var version) ? (version + 1).ToString(CultureInfo.InvariantCulture) : null;

    private static bool TryCount(string etag, out long version) => long.TryParse(etag, NumberStyles.None, CultureInfo.InvariantCulture, out version);
}
