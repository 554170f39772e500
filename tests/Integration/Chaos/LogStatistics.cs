using System.Text.RegularExpressions;

namespace Integration.Chaos;

/// <summary>What the services' own log lines say about how often things had to be said and heard.</summary>
internal sealed partial class LogStatistics(ChaosShop shop)
{
    private readonly string[] lines = [.. shop.Services.SelectMany(service => service.Lines)];

    /// <summary>How often an order was quiet and what was said last was said again.</summary>
    public int Resends => lines.Count(line => line.Contains("what was said last was said again", StringComparison.Ordinal));

    /// <summary>How many events reached a service although the same had reached it before: delivered again, or said again.</summary>
    public int Redelivered => lines.Select(line => Begun().Match(line)).Where(begun => begun.Success).GroupBy(begun => begun.Value).Sum(same => same.Count() - 1);

    /// <summary>How many logs of open orders were taken over from a process that had died.</summary>
    public int Adopted => lines.Count(line => line.Contains("Adopted the open log", StringComparison.Ordinal));

    /// <summary>Lines that say something happened which must never happen.</summary>
    public IEnumerable<string> Bugs => lines.Where(line => Never.Any(sign => line.Contains(sign, StringComparison.Ordinal)) && !line.Contains(LateAnswer, StringComparison.Ordinal));

    /// <summary>No poison is published here, so an event that can never be handled is a contradiction between services.</summary>
    private static readonly string[] Never = ["met a bug", "can never be handled", "cannot handle order", "InvalidOperationException", "ArgumentException"];

    /// <summary>Grpc.AspNetCore logs an exception when a call's deadline passes just as its answer begins; the sidecar's deadline does, after a process was frozen.</summary>
    private const string LateAnswer = "Error occurred while trying to cancel the request due to deadline exceeded";

    /// <summary>The first line of each handler, without its time.</summary>
    [GeneratedRegex("(Heard [a-z-]+ of|Reserving stock for|Charging \\d+ won for|is being used for|Releasing stock of|Refunding|Restoring coupon \\S+ of) order \\S+")]
    private static partial Regex Begun();
}
