using System.Diagnostics;
using Saga.Telemetry;

namespace Saga.Dapr;

/// <summary>
/// Batches requests that are submitted until the event loop is idle, and those that queue behind the calls in flight. A busy process
/// makes fewer calls; an idle one adds no delay.
/// </summary>
/// <param name="call">Makes one call for a batch and returns one task per item, in order. An exception of its own fails every item.</param>
/// <param name="maxConcurrency">Calls in flight, at least 1.</param>
/// <param name="maxBatchSize">Items per call, at least 1.</param>
public sealed class Batcher<TItem, TResult>(
    EventLoop eventLoop, Func<IReadOnlyList<TItem>, Task<IReadOnlyList<Task<TResult>>>> call, int maxConcurrency, int maxBatchSize)
{
    private readonly Lock gate = new();
    private readonly Queue<(TItem Item, Activity? Step, TaskCompletionSource<TResult> Done)> waiting = new();
    private int inFlight;
    private bool scheduled;

    /// <summary>Queues an item for the next call. Cancelling stops the wait, not the call.</summary>
    public Task<TResult> SubmitAsync(TItem item, CancellationToken ct)
    {
        var done = new TaskCompletionSource<TResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Enqueue((item, Activity.Current, done));
            ScheduleBatch();
        }
        return done.Task.WaitAsync(ct);
    }

    private void ScheduleBatch()
    {
        if (scheduled || inFlight == maxConcurrency || waiting.Count == 0) return;
        scheduled = true;
        eventLoop.OnIdle(Begin);
    }

    private void Begin()
    {
        lock (gate) scheduled = false;
        while (true)
        {
            List<TItem> batch;
            List<TaskCompletionSource<TResult>> done = [];
            Activity? step = null;
            lock (gate)
            {
                if (waiting.Count == 0 || inFlight == maxConcurrency) return;
                inFlight++;
                batch = new(Math.Min(waiting.Count, maxBatchSize));
                while (batch.Count < maxBatchSize && waiting.TryDequeue(out var next))
                {
                    batch.Add(next.Item);
                    done.Add(next.Done);
                    step ??= next.Step;
                }
            }
            _ = CallAsync(batch, done, step);
        }
    }

    private async Task CallAsync(List<TItem> batch, List<TaskCompletionSource<TResult>> done, Activity? step)
    {
        try
        {
            // A shared call is traced under its first item.
            SagaTracing.Resume(step);
            var results = await call(batch);
            for (var at = 0; at < done.Count; at++) _ = CompleteAsync(done[at], results[at]);
        }
        catch (Exception fault)
        {
            foreach (var one in done) one.TrySetException(fault);
        }
        lock (gate)
        {
            inFlight--;
            ScheduleBatch();
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
