namespace Saga;

/// <summary>
/// Where this process does what it was asked for: one piece after the other, never two at the same time. When nothing more is ready to go
/// on, the turn is over, and what all of them want of the sidecar is asked for together.
/// </summary>
/// <remarks>
/// So a batch of events goes on step by step, each step one call for all of them; and it is left early when something is to be awaited,
/// so that a lone event waits for nobody.
/// </remarks>
public sealed class EventLoop : SynchronizationContext, IThreadPoolWorkItem
{
    private readonly Lock gate = new();
    private readonly Queue<(SendOrPostCallback Go, object? State)> ready = new();
    private List<Action> ends = [];
    private List<Action> ending = [];
    private bool running;

    /// <summary>Does it here, within the trace and whatever else goes with the caller.</summary>
    public Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        if (Current == this) return work();
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var caller = ExecutionContext.Capture()!;
        Post(_ => ExecutionContext.Run(caller, _ => CompleteAsync(), null), null);
        return done.Task;

        async void CompleteAsync()
        {
            try
            {
                done.SetResult(await work());
            }
            catch (Exception fault)
            {
                done.SetException(fault);
            }
        }
    }

    /// <summary>Does it once, when this turn, or the next, is over.</summary>
    public void OnIdle(Action end)
    {
        lock (gate)
        {
            ends.Add(end);
            Wake();
        }
    }

    /// <summary>Goes on with it in this turn, or in the next.</summary>
    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (gate)
        {
            ready.Enqueue((d, state));
            Wake();
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nobody waits for a turn with a thread.");

    public override SynchronizationContext CreateCopy() => this;

    void IThreadPoolWorkItem.Execute()
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            while (true)
            {
                while (TryTake(out var next)) next.Go(next.State);
                lock (gate)
                {
                    if (ready.Count > 0) continue;
                    if (ends.Count == 0)
                    {
                        running = false;
                        return;
                    }
                    (ending, ends) = (ends, ending);
                }
                foreach (var end in ending) end();
                ending.Clear();
            }
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    private bool TryTake(out (SendOrPostCallback Go, object? State) next)
    {
        lock (gate) return ready.TryDequeue(out next);
    }

    private void Wake()
    {
        if (running) return;
        running = true;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }
}
