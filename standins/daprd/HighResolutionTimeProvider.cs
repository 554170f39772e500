namespace Daprd;

/// <summary>
/// The system clock with precise short timers. The runtime's timers use a clock with a resolution of four milliseconds, so that a delay of
/// one millisecond, which daprd keeps to within 0.1 ms, could take five.
/// </summary>
internal sealed class HighResolutionTimeProvider : TimeProvider
{
    public static readonly HighResolutionTimeProvider Instance = new();

    /// <summary>Longer timers use the runtime's.</summary>
    private static readonly TimeSpan MaxHighResolution = TimeSpan.FromMilliseconds(50);

    private readonly object gate = new();
    private readonly PriorityQueue<HighResolutionTimer, long> timers = new();

    private HighResolutionTimeProvider() => new Thread(Run) { IsBackground = true, Name = "high-resolution timers" }.Start();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime < TimeSpan.Zero || dueTime > MaxHighResolution || period != Timeout.InfiniteTimeSpan)
        {
            return base.CreateTimer(callback, state, dueTime, period);
        }
        var timer = new HighResolutionTimer(callback, state);
        lock (gate)
        {
            timers.Enqueue(timer, GetTimestamp() + (long)(dueTime.TotalSeconds * TimestampFrequency));
            Monitor.Pulse(gate);
        }

        return timer;
    }

    private void Run()
    {
        while (true)
        {
            HighResolutionTimer due;
            lock (gate)
            {
                while (true)
                {
                    if (!timers.TryPeek(out due!, out var at)) Monitor.Wait(gate);
                    else if (GetElapsedTime(GetTimestamp(), at) is { Ticks: > 0 } left) Monitor.Wait(gate, (int)Math.Ceiling(left.TotalMilliseconds));
                    else break;
                }

                timers.Dequeue();
            }

            ThreadPool.UnsafeQueueUserWorkItem(due, preferLocal: false);
        }
    }

    private sealed class HighResolutionTimer(TimerCallback callback, object? state) : ITimer, IThreadPoolWorkItem
    {
        private bool disposed;

        public void Execute()
        {
            if (!Volatile.Read(ref disposed)) callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException("a high-resolution timer cannot be changed");

        public void Dispose() => Volatile.Write(ref disposed, true);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
