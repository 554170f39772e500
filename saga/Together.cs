using System.Diagnostics;

namespace Saga;

/// <summary>
/// Does together what is wanted while others wait: what comes alone is done at once, and what comes while calls are under way shares the next.
/// So a busy process makes fewer calls, and an idle one waits for nothing.
/// </summary>
/// <param name="call">Does all of them. Its own failure is the failure of each.</param>
/// <param name="atOnce">So many calls are under way before others have to wait.</param>
/// <param name="most">So many share a call.</param>
internal sealed class Together<TWanted, TResult>(Func<IReadOnlyList<TWanted>, Task<IReadOnlyList<Task<TResult>>>> call, int atOnce, int most)
{
    private readonly Lock gate = new();
    private readonly Queue<(TWanted Wanted, Activity? Step, TaskCompletionSource<TResult> Done)> waiting = new();
    private int underWay;

    public Task<TResult> DoAsync(TWanted wanted, CancellationToken stop)
    {
        var done = new TaskCompletionSource<TResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Enqueue((wanted, Activity.Current, done));
            if (underWay == atOnce) return done.Task.WaitAsync(stop);
            underWay++;
        }
        _ = ServeAsync();
        return done.Task.WaitAsync(stop);
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            List<TWanted> together = [];
            List<TaskCompletionSource<TResult>> done = [];
            Activity? step = null;
            lock (gate)
            {
                while (together.Count < most && waiting.TryDequeue(out var next))
                {
                    together.Add(next.Wanted);
                    done.Add(next.Done);
                    step ??= next.Step;
                }
                if (together.Count == 0)
                {
                    underWay--;
                    return;
                }
            }
            try
            {
                // A trace shows what is shared where the first is.
                SagaTrace.Continue(step);
                var results = await call(together);
                for (var at = 0; at < done.Count; at++) _ = CompleteAsync(done[at], results[at]);
            }
            catch (Exception fault)
            {
                foreach (var one in done) one.SetException(fault);
            }
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
