using System.Text.RegularExpressions;

namespace Integration.Chaos;

/// <summary>Counts resends, redeliveries and bugs in the logs of the services.</summary>
internal sealed partial class LogStatistics(ChaosShop shop)
{
    private readonly string[] lines = [.. shop.Services.SelectMany(service => service.Lines)];

    /// <summary>Number of resends of the last event of an order (event id 106).</summary>
    public int Resends => lines.Count(line => line.Contains("[106]", StringComparison.Ordinal));

    /// <summary>Number of deliveries of an event that had been delivered to the same service before, by a redelivery or a resend.</summary>
    public int Redelivered =>
        lines.Select(line => HandlerStart().Match(line)).Where(match => match.Success).GroupBy(match => match.Value).Sum(same => same.Count() - 1);

    /// <summary>Number of open logs that were taken over from a dead process.</summary>
    public int TakeOvers => lines.Count(line => line.Contains("Took over the open-order log", StringComparison.Ordinal));

    /// <summary>Lines about events that must never happen.</summary>
    public IEnumerable<string> Bugs =>
        lines.Where(line => BugSigns.Any(sign => line.Contains(sign, StringComparison.Ordinal)) && !IsLateAnswer(line));

    /// <summary>No poison events are published, so an event that can never be handled is a contradiction between services.</summary>
    private static readonly string[] BugSigns = ["met a bug", "can never be handled", "cannot handle order", "InvalidOperationException", "ArgumentException"];

    /// <summary>
    /// Grpc.AspNetCore logs an exception of its own when a deadline passes while a response is written, as happens after a process was frozen
    /// (github.com/grpc/grpc-dotnet/issues/783). An exception of a handler has frames of the handler.
    /// </summary>
    private static bool IsLateAnswer(string line) => line.Contains(" Grpc.AspNetCore.Server.", StringComparison.Ordinal) && !OwnFrame().IsMatch(line);

    [GeneratedRegex(@"\bat (Saga|Orders|Stock|Payments|Coupons|Participants)\.")]
    private static partial Regex OwnFrame();

    /// <summary>The first line that a handler logs, by event id, up to the order id.</summary>
    [GeneratedRegex(@"\[(101|200|204|300|305|400|403)\] .*?order [0-9a-f-]{36}")]
    private static partial Regex HandlerStart();
}
