using System.Diagnostics;

namespace Integration.Chaos;

/// <summary>A process that is restarted after each exit, as an orchestrator would.</summary>
internal sealed class Supervised : IAsyncDisposable
{
    /// <summary>Before a restart after an exit that was no kill.</summary>
    private static readonly TimeSpan RestartDelay = TimeSpan.FromMilliseconds(500);

    private readonly Func<ChildProcess> start;
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly List<ChildProcess> processes = [];
    private readonly Task supervision;

    // Set while it is down: completes when it may be restarted.
    private Task? mayRestart;

    public Supervised(string name, Func<ChildProcess> start)
    {
        Name = name;
        this.start = start;
        processes.Add(start());
        supervision = SuperviseAsync();
    }

    public string Name { get; }

    /// <summary>Number of exits without a kill.</summary>
    public int UnexpectedExits { get; private set; }

    public ChildProcess Now
    {
        get
        {
            lock (gate) return processes[^1];
        }
    }

    /// <summary>The output of all its processes.</summary>
    public IEnumerable<string> Lines
    {
        get
        {
            lock (gate) return [.. processes.SelectMany(process => process.Output.Split('\n'))];
        }
    }

    /// <summary>Kills it with SIGKILL, and restarts it after <paramref name="meanwhile"/> and <paramref name="time"/>.</summary>
    /// <param name="meanwhile">Runs while it is down.</param>
    public async Task KillAsync(TimeSpan time, Func<Task>? meanwhile = null)
    {
        var restart = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ChildProcess killed;
        lock (gate)
        {
            mayRestart = restart.Task;
            killed = processes[^1];
        }
        try
        {
            await killed.KillAsync();
            if (meanwhile is not null) await meanwhile();
            await Task.Delay(time, stopping.Token);
        }
        finally
        {
            restart.SetResult();
        }
    }

    /// <summary>Stops it with SIGTERM; it is restarted as after any exit.</summary>
    /// <returns>The exit code, and how long it took.</returns>
    public async Task<(int ExitCode, TimeSpan Time)> StopAsync()
    {
        ChildProcess stopped;
        lock (gate)
        {
            mayRestart = Task.Delay(RestartDelay, stopping.Token);
            stopped = processes[^1];
        }
        var since = Stopwatch.GetTimestamp();
        stopped.Signal("TERM");
        return (await stopped.ExitAsync(), Stopwatch.GetElapsedTime(since));
    }

    /// <summary>Stops it with SIGSTOP, and continues it after <paramref name="time"/>.</summary>
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
        await supervision;
        await Now.KillAsync();
        foreach (var process in processes) await process.DisposeAsync();
        stopping.Dispose();
    }

    private async Task SuperviseAsync()
    {
        try
        {
            while (true)
            {
                await Now.Ended.WaitAsync(stopping.Token);
                lock (gate)
                {
                    if (mayRestart is null) UnexpectedExits++;
                    mayRestart ??= Task.Delay(RestartDelay, stopping.Token);
                }
                while (TryStart() is { } until) await until.WaitAsync(stopping.Token);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    /// <returns>Null: it was started. Otherwise the task to wait for.</returns>
    private Task? TryStart()
    {
        lock (gate)
        {
            var until = mayRestart;
            mayRestart = null;
            if (until is null) processes.Add(start());
            return until;
        }
    }
}
