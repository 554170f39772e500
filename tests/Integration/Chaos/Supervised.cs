
namespace Integration.Chaos;

/// <summary>A process that is started again whenever it has ended, as an orchestrator would.</summary>
internal sealed class Supervised : IAsyncDisposable
{
    /// <summary>How long it stays away after it has ended by itself.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly Func<ChildProcess> start;
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly List<ChildProcess> lives = [];
    private readonly Task keeping;

    // Set while it is killed: completes when it may come back.
    private Task? away;

    public Supervised(string name, Func<ChildProcess> start)
    {
        Name = name;
        this.start = start;
        lives.Add(start());
        keeping = KeepAsync();
    }

    public string Name { get; }

    /// <summary>How often it has ended without having been killed.</summary>
    public int EndedByItself { get; private set; }

    public ChildProcess Now
    {
        get
        {
            lock (gate) return lives[^1];
        }
    }

    /// <summary>Everything that all its lives have written.</summary>
    public IEnumerable<string> Lines
    {
        get
        {
            lock (gate) return [.. lives.SelectMany(life => life.Output.Split('\n'))];
        }
    }

    /// <summary>kill -9. It comes back after <paramref name="time"/>.</summary>
    /// <param name="meanwhile">Done while it is away.</param>
    public async Task KillAsync(TimeSpan time, Func<Task>? meanwhile = null)
    {
        var back = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ChildProcess killed;
        lock (gate)
        {
            away = back.Task;
            killed = lives[^1];
        }
        try
        {
            await killed.KillAsync();
            if (meanwhile is not null) await meanwhile();
            await Task.Delay(time, stopping.Token);
        }
        finally
        {
            back.SetResult();
        }
    }

    /// <summary>Sleeps in the middle of whatever it does, and goes on as if nothing had been.</summary>
    public async Task FreezeAsync(TimeSpan time)
    {
        var frozen = Now;
        frozen.Signal("STOP");
        try
        {
            await Task.Delay(time, stopping.Token);
        }
        finally
        {
            frozen.Signal("CONT");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await keeping;
        await Now.KillAsync();
        foreach (var life in lives) await life.DisposeAsync();
        stopping.Dispose();
    }

    private async Task KeepAsync()
    {
        try
        {
            while (true)
            {
                await Now.Ended.WaitAsync(stopping.Token);
                lock (gate)
                {
                    if (away is null) EndedByItself++;
                    away ??= Task.Delay(Pause, stopping.Token);
                }
                while (MayNotStart() is { } until) await until.WaitAsync(stopping.Token);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    /// <summary>Null: it has been started.</summary>
    private Task? MayNotStart()
    {
        lock (gate)
        {
            var until = away;
            away = null;
            if (until is null) lives.Add(start());
            return until;
        }
    }
}
