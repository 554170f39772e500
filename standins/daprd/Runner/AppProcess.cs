using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Daprd.Runner;

/// <summary>An app and its child processes, in their own process group so that all can be terminated.</summary>
internal sealed class AppProcess : IDisposable
{
    private const int SigTerm = 15;
    private const int SigKill = 9;

    // Missing on some systems; then the process tree is killed instead of the group.
    private static readonly string? Setsid = new[] { "/usr/bin/setsid", "/bin/setsid" }.FirstOrDefault(File.Exists);

    /// <summary>
    /// Starts a watchdog in the app's process group and then becomes the app. The watchdog blocks reading a pipe from the runner. If the pipe
    /// closes while the app runs, the runner was killed, and the watchdog terminates the group.
    /// </summary>
    private const string Watchdog = """
        exec 3<&0 </dev/null
        (trap "" TERM; read -r _ <&3; kill -s TERM -- -$$; sleep 5; kill -s KILL -- -$$) >/dev/null 2>&1 &
        exec 3<&-
        exec "$@"
        """;

    private readonly Process process;
    private readonly Task output;

    private AppProcess(Process process, Task output)
    {
        this.process = process;
        this.output = output;
    }

    public int Id => process.Id;

    public bool HasExited => process.HasExited;

    /// <summary>Completes with the exit code when the process has ended and its output has been read.</summary>
    public async Task<int> WaitAsync()
    {
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    /// <summary>Throws <see cref="System.ComponentModel.Win32Exception"/> when there is no such command.</summary>
    /// <param name="line">Takes each line of the app's output.</param>
    public static AppProcess Start(IReadOnlyList<string> command, string folder, IReadOnlyDictionary<string, string> environment, Action<string> line)
    {
        // setsid makes the group; sh finds the command as daprd's own runner does. Our end of the app's input closes with our process.
        var start = new ProcessStartInfo(Setsid ?? "sh")
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        string[] shell = ["-c", Setsid is null ? "exec \"$@\" </dev/null" : Watchdog, "sh", .. command];
        foreach (var word in Setsid is null ? shell : ["sh", .. shell]) start.ArgumentList.Add(word);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var process = Process.Start(start)!;
        return new AppProcess(process, Task.WhenAll(ReadAsync(process.StandardOutput, line), ReadAsync(process.StandardError, line)));
    }

    /// <summary>Asks the group to end, and ends it when it has not after <paramref name="grace"/>.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        Signal(SigTerm);
        try
        {
            await process.WaitForExitAsync().WaitAsync(grace);
        }
        catch (TimeoutException)
        {
        }

        // Also child processes that outlived the app.
        if (Setsid is not null) Signal(SigKill);
        else process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        await Task.WhenAny(output, Task.Delay(TimeSpan.FromSeconds(1)));
    }

    public void Dispose() => process.Dispose();

    private void Signal(int signal) => _ = Kill(Setsid is null ? process.Id : -process.Id, signal);

    private static async Task ReadAsync(StreamReader output, Action<string> line)
    {
        while (await output.ReadLineAsync() is { } text) line(text);
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);
}
