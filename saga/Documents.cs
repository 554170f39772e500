using System.Collections.Concurrent;
using System.Diagnostics;

namespace Saga;

/// <summary>What somebody wants of a document.</summary>
/// <param name="Next">The document from now on, even when it is the same. Null: nothing is to be written.</param>
/// <param name="Result">What to tell whoever wanted it.</param>
/// <param name="TimeToLive">How long the document lives; null: for ever, or as long as said before.</param>
public readonly record struct Update<T, TResult>(T? Next, TResult Result, TimeSpan? TimeToLive = null) where T : class;

/// <summary>
/// Changes documents by compare-and-set. Changes of one document that are wanted at the same time share one read and one write,
/// so that a document everybody wants costs less for each, not more.
/// </summary>
/// <param name="suspendAfterMiss">See <see cref="VersionCache"/>.</param>
public sealed class DocumentStore(ISidecar sidecar, ConflictBackoff backoff, int suspendAfterMiss = 1_000)
{
    /// <summary>At most this many changes share a write.</summary>
    private const int MaxBatchSize = 64;

    private readonly ConcurrentDictionary<string, object> queues = new();
    private readonly VersionCache cache = new(suspendAfterMiss);

    /// <param name="decide">Pure. Gets the document (null: there is none); called again with a newer one when somebody else wrote first.</param>
    /// <param name="expectMissing">There is hardly a document yet: creating it is tried without a look.</param>
    /// <exception cref="ContentionException">Others wrote first too many times.</exception>
    public Task<TResult> UpdateAsync<T, TResult>(string key, Func<T?, Update<T, TResult>> decide, CancellationToken ct, bool expectMissing = false) where T : class =>
        EnqueueAsync(key, new PendingUpdate<T, TResult>(null, (document, _) => decide(document), null, expectMissing), ct);

    /// <param name="guardKey">The key of a claim that is read after the document and before deciding. Null: none.</param>
    /// <param name="decide">Pure. Gets the document and the claim as it was read.</param>
    /// <param name="prune">What can be dropped, once all who share the write have decided: what one drops, another may still have to see.</param>
    /// <exception cref="ContentionException">Others wrote first too many times.</exception>
    public Task<TResult> UpdateAsync<T, TResult>(
        string key, string? guardKey, Func<T?, Versioned<Reservation>, Update<T, TResult>> decide, Func<T, T> prune, CancellationToken ct) where T : class =>
        EnqueueAsync(key, new PendingUpdate<T, TResult>(guardKey, decide, prune, expectMissing: false), ct);

    /// <summary>Documents as they are now, for somebody who will probably have this process change them next: then they need not be read again.</summary>
    public async Task<IReadOnlyList<T?>> ReadAndCacheAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class
    {
        var read = await sidecar.ReadManyAsync<T>(keys, ct);
        foreach (var document in read) cache.OnRead(document);
        return [.. read.Select(document => document.Value)];
    }

    private Task<TResult> EnqueueAsync<T, TResult>(string key, PendingUpdate<T, TResult> update, CancellationToken ct) where T : class
    {
        while (true)
        {
            var queue = (KeyQueue<T>)queues.GetOrAdd(key, _ => new KeyQueue<T>());
            lock (queue)
            {
                if (queue.Closed) continue;
                queue.Waiting.Enqueue(update);
                if (!queue.Busy)
                {
                    queue.Busy = true;
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
                    queue.Closed = true;
                    queues.TryRemove(key, out _);
                    return;
                }
            }
            AddLateArrivals(queue, batch);
            try
            {
                // A trace shows what is shared where the first is who still waits.
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

    private async Task ApplyBatchAsync<T>(string key, KeyQueue<T> queue, List<PendingUpdate<T>> batch) where T : class
    {
        var (expectMissing, look) = (batch.TrueForAll(update => update.ExpectMissing), false);
        for (var attempt = 0; ; look = true)
        {
            var read = new Versioned<T>(key, null, "");
            var guessed = !look && (expectMissing || cache.TryGet(key, out read));
            if (!guessed) read = await sidecar.ReadAsync<T>(key, default);
            var before = batch.Count;
            AddLateArrivals(queue, batch);
            var reservations = await ReadGuardsAsync(batch);
            var (document, timeToLive, changes) = (read.Value, default(TimeSpan?), 0);
            foreach (var update in batch)
            {
                if (update.Decide(document, update.GuardKey is { } guardKey ? reservations[guardKey] : null) is not { } change) continue;
                (document, timeToLive, changes) = (change.Next, change.TimeToLive ?? timeToLive, changes + 1);
            }
            if (changes > 0)
            {
                if (batch.Find(update => update.Prune is not null)?.Prune is { } prune) document = prune(document!);
                cache.Remove(key);
                if (await sidecar.TrySaveAsync(read, document!, timeToLive, default))
                {
                    // What is given a time to live is over, and would come back with another version.
                    if (timeToLive is null) cache.OnWritten(read, document!);
                    SagaMetrics.Combined.Add(changes - 1);
                    return;
                }
                if (!guessed) await backoff.DelayAsync(++attempt, default);
                else if (!expectMissing) cache.Suspend();
            }
            // Nothing was written, so nothing has shown that those who came after the read, or relied on a guess, saw the latest.
            else if (!guessed && batch.Count == before) return;
        }
    }

    /// <summary>Who has come while the document was read shares the write.</summary>
    private static void AddLateArrivals<T>(KeyQueue<T> queue, List<PendingUpdate<T>> batch) where T : class
    {
        lock (queue)
        {
            while (batch.Count < MaxBatchSize && queue.Waiting.TryDequeue(out var next)) batch.Add(next);
        }
    }

    /// <summary>Each read on its own: one that fails fails the change that wants it, and no other.</summary>
    private async Task<Dictionary<string, Task<Versioned<Reservation>>>> ReadGuardsAsync<T>(List<PendingUpdate<T>> batch) where T : class
    {
        if (batch.TrueForAll(update => update.GuardKey is null)) return [];
        var keys = batch.Select(update => update.GuardKey).OfType<string>().Distinct().ToArray();
        var reads = await sidecar.ReadEachAsync<Reservation>(keys, default);
        return keys.Zip(reads).ToDictionary(pair => pair.First, pair => pair.Second);
    }

    /// <summary>The changes of one document that wait for each other.</summary>
    private sealed class KeyQueue<T> where T : class
    {
        public readonly Queue<PendingUpdate<T>> Waiting = new();
        public bool Busy;
        public bool Closed;
    }

    private abstract class PendingUpdate<T>(string? guardKey, Func<T, T>? prune, bool expectMissing) where T : class
    {
        /// <summary>What it is wanted for. Null: there is no trace.</summary>
        public Activity? Step { get; } = Activity.Current;

        public string? GuardKey => guardKey;

        public Func<T, T>? Prune => prune;

        public bool ExpectMissing => expectMissing;

        /// <summary>Null: nothing is to be written for it.</summary>
        /// <param name="reservation">Completed. Null: there is no witness.</param>
        public abstract (T Next, TimeSpan? TimeToLive)? Decide(T? document, Task<Versioned<Reservation>>? reservation);

        public abstract void Complete();

        public abstract void Fail(Exception fault);
    }

    private sealed class PendingUpdate<T, TResult>(string? guardKey, Func<T?, Versioned<Reservation>, Update<T, TResult>> decide, Func<T, T>? prune, bool expectMissing)
        : PendingUpdate<T>(guardKey, prune, expectMissing) where T : class
    {
        private Update<T, TResult> change;
        private Exception? bug;

        public TaskCompletionSource<TResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        // A bug or a refusal in one change is not the others' concern.
        public override (T Next, TimeSpan? TimeToLive)? Decide(T? document, Task<Versioned<Reservation>>? reservation)
        {
            try
            {
                (change, bug) = (decide(document, reservation?.GetAwaiter().GetResult() ?? default), null);
                return change.Next is { } next ? (next, change.TimeToLive) : null;
            }
            catch (Exception thrown)
            {
                bug = thrown;
                return null;
            }
        }

        public override void Complete()
        {
            if (bug is null) Done.TrySetResult(change.Result);
            else Done.TrySetException(bug);
        }

        public override void Fail(Exception fault) => Done.TrySetException(fault);
    }
}
