namespace Saga.Dapr;

/// <summary>A document as it was read. Value null: it does not exist.</summary>
/// <param name="ETag">The version for the compare-and-set. Empty: the document does not exist, and a write creates it.</param>
/// <param name="IsPredicted">It was not read, and may be out of date: only a successful write over it confirms it.</param>
public readonly record struct Versioned<T>(string Key, T? Value, string ETag, bool IsPredicted = false) where T : class;

/// <summary>
/// The sidecar as the saga needs it: documents under optimistic concurrency, and topics. Dapr in production; in tests a simulation that
/// reorders, loses and crashes.
/// </summary>
/// <remarks>Every member throws when the sidecar, or the store or broker behind it, does not answer; whether the effect took place is then unknown.</remarks>
public interface ISidecar
{
    /// <summary>Reads one document.</summary>
    /// <exception cref="CorruptDocumentException">The stored bytes are not a <typeparamref name="T"/>.</exception>
    Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class;

    /// <summary>Reads one document that the caller is going to write. The answer may be a prediction.</summary>
    /// <exception cref="CorruptDocumentException">The stored bytes are not a <typeparamref name="T"/>.</exception>
    Task<Versioned<T>> ReadForUpdateAsync<T>(string key, CancellationToken ct) where T : class => ReadAsync<T>(key, ct);

    /// <summary>Reads many documents, answered in the order of the keys.</summary>
    /// <exception cref="CorruptDocumentException">The stored bytes of one are not a <typeparamref name="T"/>; the call fails as a whole.</exception>
    Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class;

    /// <summary>Compare-and-set: writes over <paramref name="read"/> unless the document has changed since.</summary>
    /// <param name="timeToLive">How long the document lives. Null: it does not expire.</param>
    /// <returns>False: a conflict, another writer was first. Read again and decide anew.</returns>
    Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class;

    /// <summary>Deletes a document, whatever its version: only for documents that have no other writer.</summary>
    Task DeleteAsync(string key, CancellationToken ct);

    /// <summary>Publishes an event on its topic, at least once.</summary>
    Task PublishAsync(OutgoingEvent e, CancellationToken ct);
}

/// <summary>Reads that fail separately.</summary>
internal static class SeparateReads
{
    /// <summary>Reads many documents; a corrupt or refused one fails only its own task.</summary>
    /// <returns>Completed tasks, in the order of the keys.</returns>
    public static async Task<IReadOnlyList<Task<Versioned<T>>>> ReadEachAsync<T>(
        this ISidecar sidecar, IReadOnlyList<string> keys, CancellationToken ct) where T : class
    {
        Task<Versioned<T>>[] reads = [.. keys.Select(key => sidecar.ReadAsync<T>(key, ct))];
        if (reads.Length > 0) await Task.WhenAny(Task.WhenAll(reads));
        return reads;
    }
}
