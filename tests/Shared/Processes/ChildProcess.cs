using System.Diagnostics;

namespace Shared;

/// <summary>A process started by a test. Its output is captured line by line; disposing kills it.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan WaitTimeout = TimeSpan.FromMinutes(3);

    private readonly Process process;
    private readonly List<string> lines = [];
    private TaskCompletionSource more = NewSignal();

    // Standard output and standard error.
    private int open = 2;

    private ChildProcess(Process process)
    {
        this.process = process;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => process.Id;

    /// <summary>Completes when the process has exited and its output has been read.</summary>
    public Task Ended => process.WaitForExitAsync();

    public string Output
    {
        get
        {
            lock (lines) return string.Join('\n', lines);
        }
    }

    public static ChildProcess Start(string command, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        // A shell starts background jobs with SIGINT ignored, and child processes inherit that.
        var start = new ProcessStartInfo("env") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["--default-signal=INT", command, .. arguments]) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return new ChildProcess(Process.Start(start)!);
    }

    /// <summary>Returns the first line that contains the text, waiting for it if necessary.</summary>
    public async Task<string> LineAsync(string text)
    {
        using var limit = new CancellationTokenSource(WaitTimeout);
        for (var next = 0; ;)
        {
            Task more;
            lock (lines)
            {
                for (; next < lines.Count; next++)
                {
                    if (lines[next].Contains(text, StringComparison.Ordinal)) return lines[next];
                }

                more = open > 0 ? this.more.Task : Task.FromCanceled(new CancellationToken(canceled: true));
            }

            try
            {
                await more.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new InvalidOperationException($"'{text}' was not written. Output:\n{Output}");
            }
        }
    }

    public async Task<int> ExitAsync()
    {
        await process.WaitForExitAsync().WaitAsync(WaitTimeout);
        return process.ExitCode;
    }

    /// <summary>Kills the process and its children, like a crash.</summary>
    public async Task KillAsync()
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
    }

    public void Signal(string name) => Process.Start("kill", ["-" + name, process.Id.ToString()]).WaitForExit();

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) await KillAsync();
        process.Dispose();
    }

    private void Take(string? line)
    {
        lock (lines)
        {
            if (line is null) open--;
            else lines.Add(line);
            more.SetResult();
            more = NewSignal();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
