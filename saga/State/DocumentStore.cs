using System.Collections.Concurrent;
using System.Diagnostics;
using Saga.Dapr;
using Saga.Telemetry;

namespace Saga.State;

/// <summary>The outcome of one decision on a document.</summary>
/// <param name="Next">The document to write, even when it equals the one that was read. Null: nothing is written.</param>
/// <param name="Result">Returned to the caller.</param>
/// <param name="TimeToLive">How long the document lives. Null: it does not expire.</param>
public readonly record struct Update<T, TResult>(T? Next, TResult Result, TimeSpan? TimeToLive = null) where T : class;

/// <summary>
/// Documents under optimistic concurrency: read, decide, compare-and-set, and again after a conflict. Concurrent updates of one document
/// are combined into one read and one write, so that contention on a hot document lowers its cost per update.
/// </summary>
/// <remarks>
/// Cancelling a call stops the wait, not the update: it may still be applied.
/// </remarks>
/// <param name="suspendAfterMiss">See <see cref="VersionCache"/>.</param>
public sealed class DocumentStore(ISidecar sidecar, ConflictBackoff backoff, int suspendAfterMiss = 1_000)
{
    /// <summary>Updates combined into one write, at most.</summary>
    private const int MaxBatchSize = 64;

    private readonly ConcurrentDictionary<string, object> queues = new();
    private readonly VersionCache cache = new(suspendAfterMiss);

    /// <summary>Updates one document.</summary>
    /// <param name="decide">Pure. Gets the document, null where there is none; called again with a newer one after a conflict.</param>
    /// <param name="expectMissing">The document probably does not exist: its creation is tried without a read.</param>
    /// <exception cref="ContentionException">Every retry of <see cref="ConflictBackoff.MaxRetries"/> met a conflict.</exception>
    public Task<TResult> UpdateAsync<T, TResult>(
        string key, Func<T?, Update<T, TResult>> decide, CancellationToken ct, bool expectMissing = false) where T : class =>
        EnqueueAsync(key, new PendingUpdate<T, object, TResult>(null, (document, _) => decide(document), null, expectMissing), ct);

    /// <summary>Updates one document by a decision that also depends on a second one, its guard, which it only reads.</summary>
    /// <param name="guardKey">The guard is always read after the document and before the decision. Null: there is no guard.</param>
    /// <param name="decide">Pure. Gets the document and the guard as it was read.</param>
    /// <param name="prune">Shrinks the document once all updates that share the write have decided: what one prunes, another may still have to see.</param>
    /// <exception cref="ContentionException">Every retry of <see cref="ConflictBackoff.MaxRetries"/> met a conflict.</exception>
    public Task<TResult> UpdateAsync<T, TGuard, TResult>(
        string key, string? guardKey, Func<T?, Versioned<TGuard>, Update<T, TResult>> decide, Func<T, T> prune, CancellationToken ct)
        where T : class where TGuard : class =>
        EnqueueAsync(key, new PendingUpdate<T, TGuard, TResult>(guardKey, decide, prune, expectMissing: false), ct);

    /// <summary>Reads documents and caches them, for a caller that expects this process to update them next.</summary>
    /// <returns>In the order of the keys; null where there is no document.</returns>
    public async Task<IReadOnlyList<T?>> ReadAndCacheAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class
    {
        var read = await sidecar.ReadManyAsync<T>(keys, ct);
        foreach (var document in read) cache.OnRead(document);
        return [.. read.Select(document => document.Value)];
    }

    private Task<TResult> EnqueueAsync<T, TGuard, TResult>(string key, PendingUpdate<T, TGuard, TResult> update, CancellationToken ct)
        where T : class where TGuard : class
    {
        while (true)
        {
            var queue = (KeyQueue<T>)queues.GetOrAdd(key, _ => new KeyQueue<T>());
            lock (queue)
            {
                if (queue.IsRemoved) continue;
                queue.Waiting.Enqueue(update);
                if (!queue.IsProcessed)
                {
                    queue.IsProcessed = true;
                    _ = ProcessQueueAsync(key, queue);
                }
            }
            return update.Done.Task.WaitAsync(ct);
        }
    }

    private async Task ProcessQueueAsync<T>(string key, KeyQueue<T> queue) where T : class
    {
        List<PendingUpdate<T>> batch = [];
        while (true)
        {
            lock (queue)
            {
                if (queue.Waiting.Count == 0)
                {
                    queue.IsRemoved = true;
                    queues.TryRemove(key, out _);
                    return;
                }
            }
            AddLateArrivals(queue, batch);
            try
            {
                // The shared calls are traced under the first update that still has a caller.
                SagaTracing.Resume(batch.Find(update => update.Step is { IsStopped: false })?.Step);
                await ApplyBatchAsync(key, queue, batch);
                foreach (var update in batch) update.Complete();
            }
            catch (Exception fault)
            {
                foreach (var update in batch) update.Fail(fault);
            }
            batch.Clear();
        }
    }

    /// <summary>The compare-and-set loop. A document from the cache, or expected to be missing, is a prediction: only a write confirms it.</summary>
    private async Task ApplyBatchAsync<T>(string key, KeyQueue<T> queue, List<PendingUpdate<T>> batch) where T : class
    {
        var (expectMissing, mustRead) = (batch.TrueForAll(update => update.ExpectMissing), false);
        for (var attempt = 0; ; mustRead = true)
        {
            var read = new Versioned<T>(key, null, "");
            var isPredicted = !mustRead && (expectMissing || cache.TryGet(key, out read));
            if (!isPredicted)
            {
                read = await sidecar.ReadAsync<T>(key, default);
                cache.Learn(read.ETag);
            }
            var before = batch.Count;
            AddLateArrivals(queue, batch);
            await ReadGuardsAsync(batch);
            var (document, timeToLive, changes) = (read.Value, default(TimeSpan?), 0);
            foreach (var update in batch)
            {
                if (update.Decide(document) is not { } change) continue; // mutant: pruned-before-all-decided
                (document, timeToLive, changes) = (change.Next, change.TimeToLive, changes + 1);
            }
            if (changes > 0)
            {
                if (batch.Find(update => update.Prune is not null)?.Prune is { } prune) document = prune(document!);
                cache.Remove(key);
                if (await sidecar.TrySaveAsync(read, document!, timeToLive, default)) // mutant: conflict-ignored
                {
                    // A document with a time to live is closed; after its expiry it would come back with another version.
                    if (timeToLive is null) cache.OnWritten(read, document!);
                    SagaMetrics.Combined.Add(changes - 1);
                    return;
                }
                if (!isPredicted) await backoff.DelayAsync(++attempt, default);
                else if (!expectMissing) cache.Suspend();
            }
            // No write has confirmed what a late arrival, or a decision on a prediction, saw.
            else if ((!isPredicted || batch.TrueForAll(update => update.HasFailed)) && batch.Count == before) return;
        }
    }

    /// <summary>Updates that arrived while the document was read join the batch.</summary>
    private static void AddLateArrivals<T>(KeyQueue<T> queue, List<PendingUpdate<T>> batch) where T : class
    {
        lock (queue)
        {
            while (batch.Count < MaxBatchSize && queue.Waiting.TryDequeue(out var next)) batch.Add(next);
        }
    }

    /// <summary>Each guard is read on its own: a failed read fails only the update that needs it.</summary>
    private Task ReadGuardsAsync<T>(List<PendingUpdate<T>> batch) where T : class =>
        batch.TrueForAll(update => !update.HasGuard) ? Task.CompletedTask : Task.WhenAll(batch.Select(update => update.ReadGuardAsync(sidecar)));

    /// <summary>The updates of one document that wait for their turn.</summary>
    private sealed class KeyQueue<T> where T : class
    {
        public readonly Queue<PendingUpdate<T>> Waiting = new();
        public bool IsProcessed;
        public bool IsRemoved;
    }

    private abstract class PendingUpdate<T>(Func<T, T>? prune, bool expectMissing) where T : class
    {
        /// <summary>The span that asked for the update. Null: it is not traced.</summary>
        public Activity? Step { get; } = Activity.Current;

        public Func<T, T>? Prune => prune;

        public bool ExpectMissing => expectMissing;

        public abstract bool HasGuard { get; }

        /// <summary>Its guard could not be read.</summary>
        public abstract bool HasFailed { get; }

        /// <summary>Never throws: a failure is kept for the decision.</summary>
        public abstract Task ReadGuardAsync(ISidecar sidecar);

        /// <summary>Null: nothing is written for this update.</summary>
        public abstract (T Next, TimeSpan? TimeToLive)? Decide(T? document);

        public abstract void Complete();

        public abstract void Fail(Exception fault);
    }

    private sealed class PendingUpdate<T, TGuard, TResult>(
        string? guardKey, Func<T?, Versioned<TGuard>, Update<T, TResult>> decide, Func<T, T>? prune, bool expectMissing)
        : PendingUpdate<T>(prune, expectMissing) where T : class where TGuard : class
    {
        private Versioned<TGuard> guard;
        private Exception? guardFault;
        private Update<T, TResult> decision;
        private Exception? failure;

        public TaskCompletionSource<TResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool HasGuard => guardKey is not null;

        public override bool HasFailed => guardFault is not null;

        public override async Task ReadGuardAsync(ISidecar sidecar)
        {
            if (guardKey is null) return;
            try
            {
                (guard, guardFault) = (await sidecar.ReadAsync<TGuard>(guardKey, default), null);
            }
            catch (Exception fault)
            {
                guardFault = fault;
            }
        }

        // An exception in one decision must not fail the updates that share its write.
        public override (T Next, TimeSpan? TimeToLive)? Decide(T? document)
        {
            if ((failure = guardFault) is not null) return null;
            try
            {
                decision = decide(document, guard);
                return decision.Next is { } next ? (next, decision.TimeToLive) : null;
            }
            catch (Exception thrown)
            {
                failure = thrown;
                return null;
            }
        }

        public override void Complete()
        {
            if (failure is null) Done.TrySetResult(decision.Result);
            else Done.TrySetException(failure);
        }

        public override void Fail(Exception fault) => Done.TrySetException(fault);
    }
}
