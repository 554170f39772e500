using System.Diagnostics;
using System.Globalization;

namespace Daprd.Invocation;

/// <summary>
/// Where the sidecars of other processes are: each leaves a file with its process id and its gRPC address in a folder they share.
/// The file of a process that is gone counts as absent.
/// </summary>
internal sealed class Names(string folder, IReadOnlyDictionary<string, string> peers)
{
    public void Register(string appId, int grpcPort)
    {
        Directory.CreateDirectory(folder);
        var content = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId} localhost:{grpcPort}");
        var temporary = Path.Combine(folder, $".{appId}.{Environment.ProcessId}");
        File.WriteAllText(temporary, content);
        File.Move(temporary, FileOf(appId), overwrite: true);
    }

    public void Forget(string appId)
    {
        if (Read(appId) is { } entry && entry.ProcessId == Environment.ProcessId) File.Delete(FileOf(appId));
    }

    /// <summary>Null when nobody answers to the name.</summary>
    public Uri? Find(string appId)
    {
        if (peers.TryGetValue(appId, out var peer)) return new Uri($"http://{peer}");
        return Read(appId) is { } entry && IsRunning(entry.ProcessId) ? new Uri($"http://{entry.Address}") : null;
    }

    private (int ProcessId, string Address)? Read(string appId)
    {
        if (appId.AsSpan().IndexOfAny('/', '\\') >= 0) return null;
        try
        {
            var parts = File.ReadAllText(FileOf(appId)).Split(' ');
            return parts.Length == 2 && int.TryParse(parts[0], out var process) ? (process, parts[1]) : null;
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

    private string FileOf(string appId) => Path.Combine(folder, appId);
}
