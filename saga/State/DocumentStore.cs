using Saga.Dapr;

namespace Saga.State;

/// <summary>The outcome of one decision on a document.</summary>
/// <param name="Next">The document to write, even when it equals the one that was read. Null: nothing is written.</param>
/// <param name="Result">Returned to the caller.</param>
/// <param name="TimeToLive">How long the document lives. Null: it does not expire.</param>
public readonly record struct Update<T, TResult>(T? Next, TResult Result, TimeSpan? TimeToLive = null) where T : class;

/// <summary>Documents under optimistic concurrency: read, decide, compare-and-set, and again after a conflict.</summary>
/// <remarks>Cancelling a call stops the wait, not the update: it may still be applied.</remarks>
public class DocumentStore
{
    private readonly ISidecar sidecar;
    private readonly ConflictBackoff backoff;

    internal DocumentStore(ISidecar sidecar, ConflictBackoff backoff) => (this.sidecar, this.backoff) = (sidecar, backoff);

    /// <summary>The store that a process uses: the plain one, with what makes it faster.</summary>
    /// <param name="combine">Concurrent updates of one document are combined: <see cref="CombiningDocumentStore"/>.</param>
    /// <param name="cache">An update skips the read of a document that this process has just written: <see cref="CachingSidecar"/>.</param>
    /// <param name="suspendAfterMiss">See <see cref="VersionCache"/>.</param>
    internal static DocumentStore Create(ISidecar sidecar, ConflictBackoff backoff, bool combine = true, bool cache = true, int suspendAfterMiss = 1_000)
    {
        if (cache) sidecar = new CachingSidecar(sidecar, backoff.Clock, suspendAfterMiss);
        return combine ? new CombiningDocumentStore(sidecar, backoff) : new DocumentStore(sidecar, backoff);
    }

    /// <summary>Reads and writes the documents.</summary>
    private protected ISidecar Sidecar => sidecar;

    /// <summary>Updates one document.</summary>
    /// <param name="decide">Pure. Gets the document, null where there is none; called again with a newer one after a conflict.</param>
    /// <param name="expectMissing">The document probably does not exist: its creation is tried without a read.</param>
    /// <exception cref="CorruptDocumentException">The stored document is not a <typeparamref name="T"/>; it stays as it is.</exception>
    /// <exception cref="ContentionException">Every retry of <see cref="ConflictBackoff.MaxRetries"/> met a conflict.</exception>
    public Task<TResult> UpdateAsync<T, TResult>(
        string key, Func<T?, Update<T, TResult>> decide, CancellationToken ct, bool expectMissing = false) where T : class =>
        UpdateAsync(key, new UpdateRequest<T, object, TResult>(null, (document, _) => decide(document), null, expectMissing), ct);

    /// <summary>Updates one document by a decision that also depends on a second one, its guard, which it only reads.</summary>
    /// <param name="guardKey">The guard is always read after the document and before the decision. Null: there is no guard.</param>
    /// <param name="decide">Pure. Gets the document and the guard as it was read.</param>
    /// <param name="prune">Shrinks the document once all updates that share the write have decided: what one prunes, another may still have to see.</param>
    /// <exception cref="ContentionException">Every retry of <see cref="ConflictBackoff.MaxRetries"/> met a conflict.</exception>
    internal Task<TResult> UpdateAsync<T, TGuard, TResult>(
        string key, string? guardKey, Func<T?, Versioned<TGuard>, Update<T, TResult>> decide, Func<T, T> prune, CancellationToken ct)
        where T : class where TGuard : class =>
        UpdateAsync(key, new UpdateRequest<T, TGuard, TResult>(guardKey, decide, prune, ExpectMissing: false), ct);

    /// <summary>Reads documents for a caller that expects this process to update them next.</summary>
    /// <returns>In the order of the keys; null where there is no document.</returns>
    /// <exception cref="CorruptDocumentException">One of them is not a <typeparamref name="T"/>.</exception>
    public async Task<IReadOnlyList<T?>> ReadAndCacheAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class =>
        [.. (await sidecar.ReadManyAsync<T>(keys, ct)).Select(document => document.Value)];

    /// <summary>What one caller asks for; see the parameters of UpdateAsync.</summary>
    private protected readonly record struct UpdateRequest<T, TGuard, TResult>(
        string? GuardKey, Func<T?, Versioned<TGuard>, Update<T, TResult>> Decide, Func<T, T>? Prune, bool ExpectMissing) where T : class where TGuard : class;

    /// <summary>Updates one document for one caller.</summary>
    private protected virtual Task<TResult> UpdateAsync<T, TGuard, TResult>(string key, UpdateRequest<T, TGuard, TResult> request, CancellationToken ct)
        where T : class where TGuard : class
    {
        return UpdateAsync<T, TResult>(key, request.ExpectMissing, async document => // mutant: guard-not-read-again
        {
            var guard = request.GuardKey is null ? default : await sidecar.ReadAsync<TGuard>(request.GuardKey, ct); // mutant: guard-not-read-again
            var update = request.Decide(document, guard);
            return update.Next is { } next && request.Prune is { } prune ? update with { Next = prune(next) } : update;
        }, ct);
    }

    /// <summary>The compare-and-set loop. A prediction is confirmed by a write; any other outcome of it is decided again on the real document.</summary>
    /// <param name="decideAsync">Called after each read of the document; reads what else the decision depends on.</param>
    private protected async Task<TResult> UpdateAsync<T, TResult>(
        string key, bool expectMissing, Func<T?, Task<Update<T, TResult>>> decideAsync, CancellationToken ct) where T : class
    {
        for (var (conflicts, mayPredict) = (0, true); ; mayPredict = false)
        {
            var read = !mayPredict ? await sidecar.ReadAsync<T>(key, ct)
                : expectMissing ? new(key, null, "", IsPredicted: true)
                : await sidecar.ReadForUpdateAsync<T>(key, ct);
            Update<T, TResult> update;
            try
            {
                update = await decideAsync(read.Value);
            }
            catch (Exception) when (read.IsPredicted)
            {
                continue;
            }
            if (update.Next is null)
            {
                if (!read.IsPredicted) return update.Result;
            }
            else if (await sidecar.TrySaveAsync(read, update.Next, update.TimeToLive, ct)) return update.Result; // mutant: conflict-ignored
            else if (!read.IsPredicted) await backoff.DelayAsync(++conflicts, ct);
        }
    }
}
