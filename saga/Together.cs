using System.Diagnostics;

namespace Saga;

/// <summary>
/// Does together what is wanted in one turn, and what comes while others wait. So a busy process makes fewer calls, and an idle one waits
/// for nothing.
/// </summary>
/// <param name="call">Does all of them. Its own failure is the failure of each.</param>
/// <param name="atOnce">So many calls are under way before others have to wait.</param>
/// <param name="most">So many share a call.</param>
public sealed class Together<TWanted, TResult>(
    Turns turns, Func<IReadOnlyList<TWanted>, Task<IReadOnlyList<Task<TResult>>>> call, int atOnce, int most)
{
    private readonly Lock gate = new();
    private readonly Queue<(TWanted Wanted, Activity? Step, TaskCompletionSource<TResult> Done)> waiting = new();
    private int underWay;
    private bool announced;

    public Task<TResult> DoAsync(TWanted wanted, CancellationToken stop)
    {
        var done = new TaskCompletionSource<TResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Enqueue((wanted, Activity.Current, done));
            Announce();
        }
        return done.Task.WaitAsync(stop);
    }

    private void Announce()
    {
        if (announced || underWay == atOnce || waiting.Count == 0) return;
        announced = true;
        turns.AtEnd(Begin);
    }

    private void Begin()
    {
        lock (gate) announced = false;
        while (true)
        {
            List<TWanted> together;
            List<TaskCompletionSource<TResult>> done = [];
            Activity? step = null;
            lock (gate)
            {
                if (waiting.Count == 0 || underWay == atOnce) return;
                underWay++;
                together = new(Math.Min(waiting.Count, most));
                while (together.Count < most && waiting.TryDequeue(out var next))
                {
                    together.Add(next.Wanted);
                    done.Add(next.Done);
                    step ??= next.Step;
                }
            }
            _ = CallAsync(together, done, step);
        }
    }

    private async Task CallAsync(List<TWanted> together, List<TaskCompletionSource<TResult>> done, Activity? step)
    {
        try
        {
            // A trace shows what is shared where the first is.
            SagaTrace.Continue(step);
            var results = await call(together);
            for (var at = 0; at < done.Count; at++) Complete(done[at], results[at]);
        }
        catch (Exception fault)
        {
            foreach (var one in done) one.TrySetException(fault);
        }
        lock (gate)
        {
            underWay--;
            Announce();
        }
    }

    private static void Complete(TaskCompletionSource<TResult> done, Task<TResult> result)
    {
        if (result.IsCompletedSuccessfully) done.SetResult(result.Result);
        else _ = CompleteAsync(done, result);
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
