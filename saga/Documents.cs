using System.Collections.Concurrent;
using System.Diagnostics;

namespace Saga;

/// <summary>What somebody wants of a document.</summary>
/// <param name="Next">The document from now on, even when it is the same. Null: nothing is to be written.</param>
/// <param name="Result">What to tell whoever wanted it.</param>
/// <param name="KeepFor">How long the document lives; null: for ever, or as long as said before.</param>
public readonly record struct Change<T, TResult>(T? Next, TResult Result, TimeSpan? KeepFor = null) where T : class;

/// <summary>
/// Changes documents by compare-and-set. Changes of one document that are wanted at the same time share one read and one write,
/// so that a document everybody wants costs less for each, not more.
/// </summary>
/// <param name="readsAfterMistake">See <see cref="Recent"/>.</param>
public sealed class Documents(ISidecar sidecar, Patience patience, int readsAfterMistake = 1_000)
{
    /// <summary>At most this many changes share a write.</summary>
    private const int SharedMax = 64;

    private readonly ConcurrentDictionary<string, object> lanes = new();
    private readonly Recent recent = new(readsAfterMistake);

    /// <param name="decide">Pure. Gets the document (null: there is none); called again with a newer one when somebody else wrote first.</param>
    /// <param name="isNew">There is hardly a document yet: creating it is tried without a look.</param>
    /// <exception cref="ContentionException">Others wrote first too many times.</exception>
    public Task<TResult> ChangeAsync<T, TResult>(string key, Func<T?, Change<T, TResult>> decide, CancellationToken stop, bool isNew = false) where T : class =>
        WantAsync(key, new Wanted<T, TResult>(null, (document, _) => decide(document), null, isNew), stop);

    /// <param name="witness">The key of a claim that is read after the document and before deciding. Null: none.</param>
    /// <param name="decide">Pure. Gets the document and the claim as it was read.</param>
    /// <param name="tidy">What can be dropped, once all who share the write have decided: what one drops, another may still have to see.</param>
    /// <exception cref="ContentionException">Others wrote first too many times.</exception>
    public Task<TResult> ChangeAsync<T, TResult>(
        string key, string? witness, Func<T?, Versioned<Claim>, Change<T, TResult>> decide, Func<T, T> tidy, CancellationToken stop) where T : class =>
        WantAsync(key, new Wanted<T, TResult>(witness, decide, tidy, isNew: false), stop);

    /// <summary>Documents as they are now, for somebody who will probably have this process change them next: then they need not be read again.</summary>
    public async Task<IReadOnlyList<T?>> LookAsync<T>(IReadOnlyList<string> keys, CancellationToken stop) where T : class
    {
        var read = await sidecar.ReadManyAsync<T>(keys, stop);
        foreach (var document in read) recent.Saw(document);
        return [.. read.Select(document => document.Value)];
    }

    private Task<TResult> WantAsync<T, TResult>(string key, Wanted<T, TResult> wanted, CancellationToken stop) where T : class
    {
        while (true)
        {
            var lane = (Lane<T>)lanes.GetOrAdd(key, _ => new Lane<T>());
            lock (lane)
            {
                if (lane.Closed) continue;
                lane.Waiting.Enqueue(wanted);
                if (!lane.Busy)
                {
                    lane.Busy = true;
                    _ = ServeAsync(key, lane);
                }
            }
            return wanted.Done.Task.WaitAsync(stop);
        }
    }

    private async Task ServeAsync<T>(string key, Lane<T> lane) where T : class
    {
        List<Wanted<T>> together = [];
        while (true)
        {
            lock (lane)
            {
                if (lane.Waiting.Count == 0)
                {
                    lane.Closed = true;
                    lanes.TryRemove(key, out _);
                    return;
                }
            }
            Join(lane, together);
            try
            {
                // A trace shows what is shared where the first is who still waits.
                SagaTrace.Continue(together.Find(wanted => wanted.Step is { IsStopped: false })?.Step);
                await ChangeTogetherAsync(key, lane, together);
                foreach (var wanted in together) wanted.Complete();
            }
            catch (Exception fault)
            {
                foreach (var wanted in together) wanted.Fail(fault);
            }
            together.Clear();
        }
    }

    private async Task ChangeTogetherAsync<T>(string key, Lane<T> lane, List<Wanted<T>> together) where T : class
    {
        var (isNew, look) = (together.TrueForAll(wanted => wanted.IsNew), false);
        for (var lost = 0; ; look = true)
        {
            var read = new Versioned<T>(key, null, "");
            var guessed = !look && (isNew || recent.TryFind(key, out read));
            if (!guessed) read = await sidecar.ReadAsync<T>(key, default);
            var before = together.Count;
            Join(lane, together);
            var claims = await ReadWitnessesAsync(together);
            var (document, keepFor, changes) = (read.Value, default(TimeSpan?), 0);
            foreach (var wanted in together)
            {
                if (wanted.Decide(document, wanted.Witness is { } witness ? claims[witness] : null) is not { } change) continue;
                (document, keepFor, changes) = (change.Next, change.KeepFor ?? keepFor, changes + 1);
            }
            if (changes > 0)
            {
                if (together.Find(wanted => wanted.Tidy is not null)?.Tidy is { } tidy) document = tidy(document!);
                recent.Forget(key);
                if (await sidecar.TryWriteAsync(read, document!, keepFor, default))
                {
                    // What is given a time to live is over, and would come back with another version.
                    if (keepFor is null) recent.Wrote(read, document!);
                    SagaMetrics.Combined.Add(changes - 1);
                    return;
                }
                if (!guessed) await patience.AfterAsync(++lost, default);
                else if (!isNew) recent.WasWrong();
            }
            // Nothing was written, so nothing has shown that those who came after the read, or relied on a guess, saw the latest.
            else if (!guessed && together.Count == before) return;
        }
    }

    /// <summary>Who has come while the document was read shares the write.</summary>
    private static void Join<T>(Lane<T> lane, List<Wanted<T>> together) where T : class
    {
        lock (lane)
        {
            while (together.Count < SharedMax && lane.Waiting.TryDequeue(out var next)) together.Add(next);
        }
    }

    /// <summary>Each read on its own: one that fails fails the change that wants it, and no other.</summary>
    private async Task<Dictionary<string, Task<Versioned<Claim>>>> ReadWitnessesAsync<T>(List<Wanted<T>> together) where T : class
    {
        if (together.TrueForAll(wanted => wanted.Witness is null)) return [];
        var keys = together.Select(wanted => wanted.Witness).OfType<string>().Distinct().ToArray();
        var reads = await sidecar.ReadEachAsync<Claim>(keys, default);
        return keys.Zip(reads).ToDictionary(pair => pair.First, pair => pair.Second);
    }

    /// <summary>The changes of one document that wait for each other.</summary>
    private sealed class Lane<T> where T : class
    {
        public readonly Queue<Wanted<T>> Waiting = new();
        public bool Busy;
        public bool Closed;
    }

    private abstract class Wanted<T>(string? witness, Func<T, T>? tidy, bool isNew) where T : class
    {
        /// <summary>What it is wanted for. Null: there is no trace.</summary>
        public Activity? Step { get; } = Activity.Current;

        public string? Witness => witness;

        public Func<T, T>? Tidy => tidy;

        public bool IsNew => isNew;

        /// <summary>Null: nothing is to be written for it.</summary>
        /// <param name="claim">Completed. Null: there is no witness.</param>
        public abstract (T Next, TimeSpan? KeepFor)? Decide(T? document, Task<Versioned<Claim>>? claim);

        public abstract void Complete();

        public abstract void Fail(Exception fault);
    }

    private sealed class Wanted<T, TResult>(string? witness, Func<T?, Versioned<Claim>, Change<T, TResult>> decide, Func<T, T>? tidy, bool isNew)
        : Wanted<T>(witness, tidy, isNew) where T : class
    {
        private Change<T, TResult> change;
        private Exception? bug;

        public TaskCompletionSource<TResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        // A bug or a refusal in one change is not the others' concern.
        public override (T Next, TimeSpan? KeepFor)? Decide(T? document, Task<Versioned<Claim>>? claim)
        {
            try
            {
                (change, bug) = (decide(document, claim?.GetAwaiter().GetResult() ?? default), null);
                return change.Next is { } next ? (next, change.KeepFor) : null;
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
