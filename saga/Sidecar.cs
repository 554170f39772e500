namespace Saga;

/// <summary>A document as it was read: its value (null: there is none) and the version to write it back with.</summary>
/// <param name="ETag">Empty when there is no document: writing with it creates one.</param>
public readonly record struct Versioned<T>(string Key, T? Value, string ETag) where T : class;

/// <summary>
/// What the saga asks of its sidecar: documents changed by compare-and-set, and topics. Dapr in production;
/// in tests a simulation that reorders, loses and crashes.
/// </summary>
/// <remarks>Every member throws when the sidecar or what is behind it cannot be reached; the effect is then unknown.</remarks>
public interface ISidecar
{
    /// <summary>Reads one document.</summary>
    Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class;

    /// <summary>Reads many documents, answered in the order of the keys.</summary>
    Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class;

    /// <summary>Writes what was decided from <paramref name="read"/>.</summary>
    /// <param name="timeToLive">How long the document lives; null: for ever, or as long as said before.</param>
    /// <returns>False: somebody wrote since it was read. Read again and decide anew.</returns>
    Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class;

    /// <summary>Deletes a document that nobody else writes any more.</summary>
    Task DeleteAsync(string key, CancellationToken ct);

    /// <summary>Says an event on its topic.</summary>
    Task PublishAsync(OutgoingEvent said, CancellationToken ct);
}

/// <summary>Reads that do not fail together.</summary>
public static class SeparateReads
{
    /// <summary>Reads many documents, each on its own: a corrupt or refused one is a failed task of its own.</summary>
    /// <returns>Completed tasks, in the order of the keys.</returns>
    public static async Task<IReadOnlyList<Task<Versioned<T>>>> ReadEachAsync<T>(this ISidecar sidecar, IReadOnlyList<string> keys, CancellationToken ct) where T : class
    {
        Task<Versioned<T>>[] reads = [.. keys.Select(key => sidecar.ReadAsync<T>(key, ct))];
        if (reads.Length > 0) await Task.WhenAny(Task.WhenAll(reads));
        return reads;
    }
}
