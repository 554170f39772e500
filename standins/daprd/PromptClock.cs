namespace Daprd;

/// <summary>
/// The system's clock with short timers that are on time. The runtime's own look at a clock that moves every four milliseconds, and so a wait
/// of one, which daprd keeps to within a tenth, could take five.
/// </summary>
internal sealed class PromptClock : TimeProvider
{
    public static readonly PromptClock Instance = new();

    /// <summary>Longer ones are the runtime's.</summary>
    private static readonly TimeSpan LongestPrompt = TimeSpan.FromMilliseconds(50);

    private readonly object _gate = new();
    private readonly PriorityQueue<Prompt, long> _timers = new();

    private PromptClock() => new Thread(Run) { IsBackground = true, Name = "prompt timers" }.Start();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime < TimeSpan.Zero || dueTime > LongestPrompt || period != Timeout.InfiniteTimeSpan) return base.CreateTimer(callback, state, dueTime, period);
        var timer = new Prompt(callback, state);
        lock (_gate)
        {
            _timers.Enqueue(timer, GetTimestamp() + (long)(dueTime.TotalSeconds * TimestampFrequency));
            Monitor.Pulse(_gate);
        }

        return timer;
    }

    private void Run()
    {
        while (true)
        {
            Prompt due;
            lock (_gate)
            {
                while (true)
                {
                    if (!_timers.TryPeek(out due!, out var at)) Monitor.Wait(_gate);
                    else if (GetElapsedTime(GetTimestamp(), at) is { Ticks: > 0 } left) Monitor.Wait(_gate, (int)Math.Ceiling(left.TotalMilliseconds));
                    else break;
                }

                _timers.Dequeue();
            }

            ThreadPool.UnsafeQueueUserWorkItem(due, preferLocal: false);
        }
    }

    private sealed class Prompt(TimerCallback callback, object? state) : ITimer, IThreadPoolWorkItem
    {
        private bool _disposed;

        public void Execute()
        {
            if (!Volatile.Read(ref _disposed)) callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException("a prompt timer is not changed");

        public void Dispose() => Volatile.Write(ref _disposed, true);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
