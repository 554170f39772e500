using System.Diagnostics;
using System.Globalization;

namespace Daprd.Invocation;

/// <summary>
/// Finds the sidecars of other processes. Each sidecar writes a file with its process id to a shared folder; the file is named after its app
/// id and gRPC port. Files of processes that have ended are ignored. Several sidecars of one app id are used in turn.
/// </summary>
internal sealed class NameResolver(string folder)
{
    private uint turn;

    public void Register(string appId, int grpcPort)
    {
        Directory.CreateDirectory(folder);
        Sweep();
        var temporary = Path.Combine(folder, $".{appId}.{Environment.ProcessId}");
        File.WriteAllText(temporary, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        File.Move(temporary, GetFile(appId, grpcPort), overwrite: true);
    }

    /// <summary>Removes files of killed processes that are older than an hour: a restarting sidecar may be about to replace a newer one.</summary>
    private void Sweep()
    {
        var old = TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1);
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            if (File.GetLastWriteTimeUtc(file) < old && GetProcess(file) is { } process && !IsRunning(process)) File.Delete(file);
        }
    }

    public void Forget(string appId, int grpcPort)
    {
        var file = GetFile(appId, grpcPort);
        if (GetProcess(file) == Environment.ProcessId) File.Delete(file);
    }

    /// <summary>Null if no sidecar of the app id is found.</summary>
    public Uri? Find(string appId)
    {
        if (!Directory.Exists(folder)) return null;
        var prefix = $"{appId}@";
        string[] ports =
        [
            .. from file in Directory.EnumerateFiles(folder)
               where Path.GetFileName(file).StartsWith(prefix, StringComparison.Ordinal) && GetProcess(file) is { } process && IsRunning(process)
               select Path.GetFileName(file)[prefix.Length..] into port
               orderby port
               select port,
        ];
        return ports.Length == 0 ? null : new Uri($"http://localhost:{ports[Interlocked.Increment(ref turn) % ports.Length]}");
    }

    /// <summary>Null: the file is gone or incomplete.</summary>
    private static int? GetProcess(string file)
    {
        try
        {
            return int.TryParse(File.ReadAllText(file), out var process) ? process : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static bool IsRunning(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private string GetFile(string appId, int grpcPort) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{appId}@{grpcPort}"));
}
