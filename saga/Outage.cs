using Dapr;
using Grpc.Core;

namespace Saga;

/// <summary>Faults of what a service stands on, not of the service: the sidecar, and the store and the broker behind it.</summary>
internal static class Outage
{
    /// <summary>What state.redis answers when Redis does not answer its first read (HGETALL) in time and the second (GET) meets a hash.</summary>
    private const string WrongType = "WRONGTYPE";

    public static bool Is(Exception fault) => fault is DaprException or RpcException or HttpRequestException;

    /// <summary>What the sidecar said, in one line, and what it means where that is something else.</summary>
    public static string CauseOf(Exception fault)
    {
        var said = (fault.InnerException as RpcException ?? fault as RpcException)?.Status is not { } status ? fault.Message
            : status.Detail.Length > 0 ? status.Detail : $"{status.StatusCode}";
        return said.Contains(WrongType, StringComparison.Ordinal)
            ? $"{said} (This is an outage, not corruption: Redis did not answer in time, and {WrongType} is what the sidecar's second way of reading says then.)"
            : said;
    }
}
