using Saga.Dapr;
using Saga.Telemetry;

namespace Saga.State;

/// <summary>
/// Combines concurrent updates of one document into one read and one write, so that contention on a hot document lowers its cost per update.
/// </summary>
internal sealed class CombiningDocumentStore(ISidecar sidecar, ConflictBackoff backoff) : DocumentStore(sidecar, backoff)
{
    /// <summary>Updates combined into one write, at most.</summary>
    private const int MaxBatchSize = 64;

    private readonly Lock gate = new();
    private readonly Dictionary<string, (object Batcher, int Callers)> batchers = [];

    private protected override async Task<TResult> UpdateAsync<T, TGuard, TResult>(string key, UpdateRequest<T, TGuard, TResult> request, CancellationToken ct)
    {
        var update = new PendingUpdate<T, TGuard, TResult>(request);
        var batcher = Enter<T>(key);
        try
        {
            await batcher.SubmitAsync(update, ct);
            return update.Result;
        }
        finally
        {
            Leave(key);
        }
    }

    /// <summary>The batcher of a document, which lives while it has callers.</summary>
    private Batcher<PendingUpdate<T>, bool> Enter<T>(string key) where T : class
    {
        lock (gate)
        {
            var (batcher, callers) = batchers.GetValueOrDefault(key);
            batcher ??= new Batcher<PendingUpdate<T>, bool>(updates => ApplyAsync(key, updates), maxConcurrency: 1, MaxBatchSize);
            batchers[key] = (batcher, callers + 1);
            return (Batcher<PendingUpdate<T>, bool>)batcher;
        }
    }

    private void Leave(string key)
    {
        lock (gate)
        {
            var (batcher, callers) = batchers[key];
            if (callers == 1) batchers.Remove(key);
            else batchers[key] = (batcher, callers - 1);
        }
    }

    private async Task<IReadOnlyList<Task<bool>>> ApplyAsync<T>(string key, Batch<PendingUpdate<T>> updates) where T : class
    {
        // Without a write nothing confirms what a late arrival saw, which was read before it was submitted: it decides again.
        for (var confirmed = 0; confirmed < updates.Count;)
        {
            try
            {
                confirmed = await DecideAsync(key, updates, confirmed);
            }
            catch (Exception fault) when (confirmed > 0)
            {
                return [.. updates.Select((update, at) => at < confirmed ? update.Outcome : Task.FromException<bool>(fault))];
            }
        }
        return [.. updates.Select(update => update.Outcome)];
    }

    /// <param name="from">The updates before this one are confirmed already.</param>
    /// <returns>How many updates are confirmed now.</returns>
    private async Task<int> DecideAsync<T>(string key, Batch<PendingUpdate<T>> updates, int from) where T : class
    {
        var changes = 0;
        var confirmed = await UpdateAsync<T, int>(key, updates.Skip(from).All(update => update.ExpectMissing), async read =>
        {
            var before = updates.Count;
            updates.AddLateArrivals();
            List<PendingUpdate<T>> deciding = [.. updates.Skip(from)];
            await Task.WhenAll(deciding.Select(update => update.ReadGuardAsync(Sidecar)));
            var (document, timeToLive) = (read, default(TimeSpan?));
            changes = 0;
            foreach (var update in deciding)
            {
                if (update.Decide(document) is not { } change) continue; // mutant: pruned-before-all-decided
                (document, timeToLive, changes) = (change.Next, change.TimeToLive, changes + 1);
            }
            if (changes == 0) return new(null, before);
            if (deciding.Find(update => update.Prune is not null)?.Prune is { } prune) document = prune(document!);
            return new(document, updates.Count, timeToLive);
        }, default);
        SagaMetrics.Combined.Add(Math.Max(0, changes - 1));
        return confirmed;
    }

    private abstract class PendingUpdate<T>(Func<T, T>? prune, bool expectMissing) where T : class
    {
        public Func<T, T>? Prune => prune;

        public bool ExpectMissing => expectMissing;

        /// <summary>Completed; failed if the decision threw.</summary>
        public abstract Task<bool> Outcome { get; }

        /// <summary>Never throws: a failure is kept for the decision.</summary>
        public abstract Task ReadGuardAsync(ISidecar sidecar);

        /// <summary>Null: nothing is written for this update.</summary>
        public abstract (T Next, TimeSpan? TimeToLive)? Decide(T? document);
    }

    private sealed class PendingUpdate<T, TGuard, TResult>(UpdateRequest<T, TGuard, TResult> request)
        : PendingUpdate<T>(request.Prune, request.ExpectMissing) where T : class where TGuard : class
    {
        private Versioned<TGuard> guard;
        private Exception? guardFault;
        private Update<T, TResult> decision;
        private Exception? failure;

        public TResult Result => decision.Result;

        public override Task<bool> Outcome => failure is null ? Task.FromResult(true) : Task.FromException<bool>(failure);

        // A guard that cannot be read fails only the update that needs it.
        public override async Task ReadGuardAsync(ISidecar sidecar)
        {
            if (request.GuardKey is null) return;
            try
            {
                (guard, guardFault) = (await sidecar.ReadAsync<TGuard>(request.GuardKey, default), null);
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
                decision = request.Decide(document, guard);
                return decision.Next is { } next ? (next, decision.TimeToLive) : null;
            }
            catch (Exception thrown)
            {
                failure = thrown;
                return null;
            }
        }
    }
}
