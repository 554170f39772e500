using System.Text;

namespace Saga.Tests;

/// <summary>
/// A deterministic scheduler: one thread, one seed, virtual time. All waiting is here, and the seed decides what continues next, so that the same
/// seed gives the same run, operation by operation.
/// </summary>
/// <param name="traced">Keep a readable line of every operation.</param>
public sealed class World(int seed, bool traced = false) : SynchronizationContext
{
    private readonly Queue<(SendOrPostCallback Callback, object? State)> posted = new();
    private readonly List<Waiting> ready = [];
    private readonly PriorityQueue<Waiting, (DateTimeOffset, long)> later = new();
    private readonly StringBuilder trace = new();
    private long number;

    private readonly record struct Waiting(Action Go, Func<bool>? HasCrashed);

    /// <summary>A run takes a few thousand. One that never becomes quiet is reported, and does not hang.</summary>
    private const int OperationsMax = 2_000_000;

    public Random Chance { get; } = new(seed);

    public VirtualClock Clock { get; } = new();

    public string Trace => trace.ToString();

    public int Operations { get; private set; }

    /// <summary>Documents that a number stands for: their place in this list.</summary>
    public List<object> Documents { get; } = [];

    /// <returns>The number of a document.</returns>
    public int Add(object document)
    {
        Documents.Add(document);
        return Documents.Count - 1;
    }

    /// <summary>True with the given probability, 0 to 1.</summary>
    public bool Happens(double probability) => probability > 0 && Chance.NextDouble() < probability;

    public Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        Chance.NextBytes(bytes);
        return new(bytes);
    }

    public void Note(Func<string> line)
    {
        if (traced) trace.Append(Clock.GetUtcNow().ToString("mm:ss.fff")).Append("  ").AppendLine(line());
    }

    /// <summary>Continues when the seed decides, not before the delay is over.</summary>
    /// <param name="gone">True: the waiting process has crashed and never continues.</param>
    public Task TurnAsync(Func<bool> gone, TimeSpan delay = default)
    {
        var turn = new TaskCompletionSource();
        Wait(new(turn.SetResult, gone), delay);
        return turn.Task;
    }

    public void Later(TimeSpan delay, Action go) => Wait(new(go, null), delay);

    /// <summary>Runs until <paramref name="until"/>, which is checked whenever time advances, or until nothing waits.</summary>
    /// <returns>False: nothing waits.</returns>
    public bool Run(Func<bool> until)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            while (true)
            {
                while (posted.TryDequeue(out var next)) next.Callback(next.State);
                if (ready.Count == 0)
                {
                    if (until()) return true;
                    if (!AdvanceToNext()) return false;
                    continue;
                }
                var at = Chance.Next(ready.Count);
                var chosen = ready[at];
                ready[at] = ready[^1];
                ready.RemoveAt(ready.Count - 1);
                if (chosen.HasCrashed?.Invoke() == true) continue;
                if (++Operations > OperationsMax) throw new InvalidOperationException($"The world is not quiet after {OperationsMax:N0} operations.");
                Clock.AdvanceTo(Clock.GetUtcNow() + TimeSpan.FromTicks(Chance.Next(10_000)));
                MoveReady();
                chosen.Go();
            }
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

    private void Wait(Waiting waiting, TimeSpan delay)
    {
        if (delay <= TimeSpan.Zero) ready.Add(waiting);
        else later.Enqueue(waiting, (Clock.GetUtcNow() + delay, ++number));
    }

    private bool AdvanceToNext()
    {
        DateTimeOffset? next = later.TryPeek(out _, out var first) ? first.Item1 : null;
        if (Clock.Next is { } timer && (next is null || timer < next)) next = timer;
        if (next is null) return false;
        Clock.AdvanceTo(next.Value);
        MoveReady();
        return true;
    }

    private void MoveReady()
    {
        while (later.TryPeek(out var waiting, out var from) && from.Item1 <= Clock.GetUtcNow())
        {
            later.Dequeue();
            ready.Add(waiting);
        }
    }
}

/// <summary>A clock that advances only with the world.</summary>
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
        while (timers.Count > 0 && timers.Where(timer => timer.Due <= now).MinBy(timer => timer.Due) is { } due) due.Fire();
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

/// <summary>The clock of one machine: its time of day may be wrong, its durations are right.</summary>
public sealed class LocalClock(VirtualClock world) : TimeProvider
{
    /// <summary>The error of the time of day. Negative: behind.</summary>
    public TimeSpan Wrong { get; set; }

    public override DateTimeOffset GetUtcNow() => world.GetUtcNow() + Wrong;

    public override long TimestampFrequency => world.TimestampFrequency;

    public override long GetTimestamp() => world.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        world.CreateTimer(callback, state, dueTime, period);
}
