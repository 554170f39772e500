using System.Globalization;

namespace Shop.Doctor;

/// <summary>A process that listens at a port of this machine.</summary>
/// <param name="Command">Its command line, cut to a readable length.</param>
internal sealed record PortOwner(int ProcessId, string Command)
{
    private const string Listening = "0A";

    private const int CommandMax = 80;

    public override string ToString() => $"process {ProcessId} ({Command})";

    /// <returns>Null: unknown, for it is of another machine or user, or this is no Linux.</returns>
    public static PortOwner? Find(Uri address)
    {
        if (!address.IsLoopback || !OperatingSystem.IsLinux()) return null;
        var sockets = ((string[])["/proc/net/tcp", "/proc/net/tcp6"]).SelectMany(table => FindSockets(table, address.Port)).ToHashSet();
        return sockets.Count == 0 ? null : Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0 && HasAny(id, sockets)).Select(id => new PortOwner(id, ReadCommand(id))).FirstOrDefault();
    }

    /// <summary>The listening sockets of a port, as links in /proc/*/fd name them.</summary>
    private static IEnumerable<string> FindSockets(string table, int port) =>
        from line in TryRead(() => File.ReadAllLines(table)) ?? []
        let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 9 && fields[3] == Listening && fields[1].EndsWith($":{port:X4}", StringComparison.Ordinal)
        select $"socket:[{fields[9]}]";

    private static bool HasAny(int id, HashSet<string> sockets) => TryRead(() => Directory.GetFiles($"/proc/{id}/fd"))?
        .Any(link => TryRead(() => new FileInfo(link).LinkTarget) is { } target && sockets.Contains(target)) ?? false;

    private static string ReadCommand(int id)
    {
        var command = (TryRead(() => File.ReadAllText($"/proc/{id}/cmdline")) ?? "").Replace('\0', ' ').Trim();
        return command.Length > CommandMax ? $"{command[..CommandMax]}..." : command;
    }

    /// <returns>Null: the process has ended, or is of another user.</returns>
    private static T? TryRead<T>(Func<T> read) where T : class?
    {
        try
        {
            return read();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
