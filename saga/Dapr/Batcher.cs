using System.Collections;
using System.Diagnostics;
using Saga.Telemetry;

namespace Saga.Dapr;

/// <summary>The items of one call.</summary>
internal sealed class Batch<TItem> : IReadOnlyList<TItem>
{
    private readonly List<TItem> items = [];
    private readonly Action<List<TItem>> fill;

    internal Batch(Action<List<TItem>> fill)
    {
        this.fill = fill;
        fill(items);
    }

    public int Count => items.Count;

    public TItem this[int index] => items[index];

    /// <summary>Adds the items that were submitted since, up to the size of a batch: they share the rest of the call.</summary>
    public void AddLateArrivals() => fill(items);

    public IEnumerator<TItem> GetEnumerator() => items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>
/// Batches items that are submitted before the first call begins, and those that queue behind the calls in flight. A busy process makes fewer
/// calls; an idle one adds no delay.
/// </summary>
/// <param name="call">Makes one call for a batch and returns one task per item, in order. An exception of its own fails every item.</param>
/// <param name="maxConcurrency">Calls in flight, at least 1.</param>
/// <param name="maxBatchSize">Items per call, at least 1.</param>
internal sealed class Batcher<TItem, TResult>(
    Func<Batch<TItem>, Task<IReadOnlyList<Task<TResult>>>> call, int maxConcurrency, int maxBatchSize)
{
    private readonly Lock gate = new();
    private readonly Queue<Submission> waiting = new();
    private int inFlight;
    private bool scheduled;

    /// <param name="Step">The span that submitted the item. Null: it is not traced.</param>
    private readonly record struct Submission(TItem Item, Activity? Step, TaskCompletionSource<TResult> Done);

    /// <summary>Queues an item for the next call. Cancelling stops the wait, not the call.</summary>
    public Task<TResult> SubmitAsync(TItem item, CancellationToken ct)
    {
        var done = new TaskCompletionSource<TResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Enqueue(new(item, Activity.Current, done));
            Schedule();
        }
        return done.Task.WaitAsync(ct);
    }

    private void Schedule()
    {
        if (scheduled || inFlight == maxConcurrency || waiting.Count == 0) return;
        scheduled = true;
        _ = BeginAsync();
    }

    private async Task BeginAsync()
    {
        // The submitting code goes on first, and may submit more.
        await Task.Yield();
        lock (gate) scheduled = false;
        while (true)
        {
            List<Submission> submitted = [];
            Batch<TItem> batch;
            lock (gate)
            {
                if (waiting.Count == 0 || inFlight == maxConcurrency) return;
                inFlight++;
                batch = new(items => Take(submitted, items));
            }
            _ = CallAsync(batch, submitted);
        }
    }

    private void Take(List<Submission> submitted, List<TItem> items)
    {
        lock (gate)
        {
            while (submitted.Count < maxBatchSize && waiting.TryDequeue(out var next))
            {
                submitted.Add(next);
                items.Add(next.Item);
            }
        }
    }

    private async Task CallAsync(Batch<TItem> batch, List<Submission> submitted)
    {
        try
        {
            // A shared call is traced under the first item that still has a caller.
            SagaTracing.Resume(submitted.Find(one => one.Step is { IsStopped: false }).Step);
            var results = await call(batch);
            for (var at = 0; at < submitted.Count; at++) _ = CompleteAsync(submitted[at].Done, results[at]);
        }
        catch (Exception fault)
        {
            foreach (var one in submitted) one.Done.TrySetException(fault);
        }
        lock (gate)
        {
            inFlight--;
            Schedule();
        }
    }

    private static async Task CompleteAsync(TaskCompletionSource<TResult> done, Task<TResult> result)
    {
        try
        {
            done.SetResult(await result);
        }
        catch (Exception fault)
        {
            done.SetException(fault);
        }
    }
}
