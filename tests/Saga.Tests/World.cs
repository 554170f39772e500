using System.Text;

namespace Saga.Tests;

/// <summary>
/// One thread, one seed, no real time: whatever waits for the world waits here, and the seed decides who goes on next.
/// The same seed gives the same run, operation by operation.
/// </summary>
public sealed class World(int seed) : SynchronizationContext
{
    private readonly Queue<(SendOrPostCallback Callback, object? State)> posted = new();
    private readonly List<Waiting> waiting = [];
    private readonly StringBuilder trace = new();
    private long number;

    private sealed record Waiting(long Number, DateTimeOffset From, string What, Action Go, Func<bool> Gone);

    public Random Chance { get; } = new(seed);

    public VirtualClock Clock { get; } = new();

    public string Trace => trace.ToString();

    public int Operations { get; private set; }

    /// <summary>True with the given probability, 0 to 1.</summary>
    public bool Happens(double probability) => Chance.NextDouble() < probability;

    public void Note(string line) => trace.Append(Clock.GetUtcNow().ToString("mm:ss.fff")).Append("  ").AppendLine(line);

    /// <summary>Goes on when the seed says so, not before the delay is over.</summary>
    /// <param name="gone">True: whoever waits is dead and never goes on.</param>
    public Task TurnAsync(string what, Func<bool> gone, TimeSpan delay = default)
    {
        var turn = new TaskCompletionSource();
        waiting.Add(new(++number, Clock.GetUtcNow() + delay, what, turn.SetResult, gone));
        return turn.Task;
    }

    public void Later(string what, TimeSpan delay, Action go) => waiting.Add(new(++number, Clock.GetUtcNow() + delay, what, go, () => false));

    /// <summary>Runs until <paramref name="until"/> or until nothing waits any more.</summary>
    /// <returns>False: nothing waits any more.</returns>
    public bool Run(Func<bool> until)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            while (!until())
            {
                while (posted.TryDequeue(out var next)) next.Callback(next.State);
                if (until()) break;
                waiting.RemoveAll(one => one.Gone());
                var timer = Clock.Next;
                if (waiting.Count == 0 && timer is null) return false;

                var ready = waiting.Where(one => one.From <= Clock.GetUtcNow()).ToArray();
                if (ready.Length == 0)
                {
                    var next = waiting.Count == 0 ? DateTimeOffset.MaxValue : waiting.Min(one => one.From);
                    Clock.AdvanceTo(timer is { } due && due < next ? due : next);
                    continue;
                }
                if (timer is { } now && now <= Clock.GetUtcNow())
                {
                    Clock.AdvanceTo(Clock.GetUtcNow());
                    continue;
                }
                var chosen = ready[Chance.Next(ready.Length)];
                waiting.Remove(chosen);
                Operations++;
                Clock.AdvanceTo(Clock.GetUtcNow() + TimeSpan.FromTicks(Chance.Next(10_000)));
                chosen.Go();
            }
            return true;
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    /// <summary>Runs one piece of work to its end.</summary>
    public T Run<T>(Func<Task<T>> work)
    {
        Task<T>? task = null;
        Post(_ => task = work(), null);
        if (!Run(() => task is { IsCompleted: true })) throw new InvalidOperationException("The work waits for something that never comes.");
        return task!.GetAwaiter().GetResult();
    }

    public override void Post(SendOrPostCallback d, object? state) => posted.Enqueue((d, state));

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException();
}

/// <summary>A clock that moves only when the world says so.</summary>
public sealed class VirtualClock : TimeProvider
{
    private readonly List<Timer> timers = [];
    private DateTimeOffset now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => now.Ticks;

    /// <summary>When the next timer fires; null: there is none.</summary>
    public DateTimeOffset? Next => timers.Count == 0 ? null : timers.Min(timer => timer.Due);

    public void AdvanceTo(DateTimeOffset time)
    {
        if (time > now) now = time;
        foreach (var timer in timers.Where(timer => timer.Due <= now).OrderBy(timer => timer.Due).ToArray()) timer.Fire();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(VirtualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan period = Timeout.InfiniteTimeSpan;

        public DateTimeOffset Due { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            clock.timers.Remove(this);
            this.period = period;
            if (dueTime == Timeout.InfiniteTimeSpan) return true;
            Due = clock.now + dueTime;
            clock.timers.Add(this);
            return true;
        }

        public void Fire()
        {
            clock.timers.Remove(this);
            if (period != Timeout.InfiniteTimeSpan)
            {
                Due = clock.now + period;
                clock.timers.Add(this);
            }
            callback(state);
        }

        public void Dispose() => clock.timers.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
