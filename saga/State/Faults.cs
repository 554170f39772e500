using System.Net.Sockets;
using Dapr;
using Grpc.Core;

namespace Saga.State;

/// <summary>Tells transient faults, which a retry can cure, from failures that every retry would repeat.</summary>
internal static class Faults
{
    /// <summary>What state.redis answers when Redis does not answer its first read (HGETALL) in time and the second (GET) meets a hash.</summary>
    private const string WrongType = "WRONGTYPE";

    /// <summary>For a client whose call failed, while its effect may have taken place.</summary>
    public const string MayHaveHappened =
        "What was asked for may have happened: a query can be repeated, and a command with the same idempotency key; "
        + "without a key, look first whether it has happened.";

    /// <summary>
    /// True: the sidecar, the store, the broker or another service did not answer, or contention outlasted the retries.
    /// False: a contradiction, a corrupt document, a refused argument or a bug; a retry would only delay the events behind it.
    /// </summary>
    public static bool IsTransient(Exception fault) => fault switch
    {
        AggregateException several => several.InnerExceptions.All(IsTransient),
        ContentionException or OperationCanceledException or TimeoutException or IOException or SocketException or HttpRequestException => true,
        RpcException refused => refused.StatusCode != StatusCode.InvalidArgument,
        DaprException { InnerException: RpcException inner } => IsTransient(inner),
        DaprException => true,
        _ => false,
    };

    /// <summary>The error as the sidecar reports it, in one line, with an explanation where it means something else.</summary>
    public static string GetCause(Exception fault)
    {
        if (fault is AggregateException { InnerExceptions: [var first, ..] }) return GetCause(first);
        var reported = (fault.InnerException as RpcException ?? fault as RpcException)?.Status is not { } status ? fault.Message
            : status.Detail.Length > 0 ? status.Detail : $"{status.StatusCode}";
        return reported.Contains(WrongType, StringComparison.Ordinal)
            ? $"{reported} (This is an outage, not corruption: Redis did not answer in time, "
                + $"and {WrongType} is what the sidecar's second way of reading says then.)"
            : reported;
    }
}
