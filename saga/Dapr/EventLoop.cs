namespace Saga.Dapr;

/// <summary>
/// Single-threaded event loop for the handlers of this process. When its queue runs empty it raises <see cref="OnIdle"/>, on which the
/// batchers send what was submitted meanwhile.
/// </summary>
/// <remarks>
/// Concurrent handlers advance step by step, each step with one call for all of them; a single handler is not delayed, since the queue is empty
/// as soon as it awaits. A handler must not compute for long: it would hold up all others.
/// </remarks>
internal sealed class EventLoop : SynchronizationContext, IThreadPoolWorkItem
{
    private readonly Lock gate = new();
    private readonly Queue<(SendOrPostCallback Go, object? State)> ready = new();
    private List<Action> idle = [];
    private List<Action> calling = [];
    private bool running;

    /// <summary>Runs work on the loop, in the execution context of the caller, and so in its trace.</summary>
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

    /// <summary>Calls <paramref name="callback"/> once, the next time the queue is empty.</summary>
    public void OnIdle(Action callback)
    {
        lock (gate)
        {
            idle.Add(callback);
            Wake();
        }
    }

    /// <summary>Appends a continuation to the queue.</summary>
    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (gate)
        {
            ready.Enqueue((d, state));
            Wake();
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("The event loop cannot be waited for synchronously.");

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
                    if (idle.Count == 0)
                    {
                        running = false;
                        return;
                    }
                    (calling, idle) = (idle, calling);
                }
                foreach (var callback in calling) callback();
                calling.Clear();
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
