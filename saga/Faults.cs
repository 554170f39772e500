using System.Net.Sockets;
using Dapr;
using Grpc.Core;

namespace Saga;

/// <summary>Tells a fault of the world, which a retry can cure, from what fails the same way however often it is tried.</summary>
internal static class Faults
{
    /// <summary>What state.redis answers when Redis does not answer its first read (HGETALL) in time and the second (GET) meets a hash.</summary>
    private const string WrongType = "WRONGTYPE";

    /// <summary>
    /// True: the sidecar, the store, the broker or another service did not answer, or other writers were first too often.
    /// False: a contradiction, a corrupt document, a refused argument or a bug; a retry would only hold up what comes behind.
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

    /// <summary>What the sidecar reports, in one line, and what it means where that is something else.</summary>
    public static string CauseOf(Exception fault)
    {
        if (fault is AggregateException { InnerExceptions: [var first, ..] }) return CauseOf(first);
        var reported = (fault.InnerException as RpcException ?? fault as RpcException)?.Status is not { } status ? fault.Message
            : status.Detail.Length > 0 ? status.Detail : $"{status.StatusCode}";
        return reported.Contains(WrongType, StringComparison.Ordinal)
            ? $"{reported} (This is an outage, not corruption: Redis did not answer in time, and {WrongType} is what the sidecar's second way of reading says then.)"
            : reported;
    }
}

/// <summary>An event that this service will never be able to handle: it contradicts what is stored, or is about an order that does not exist.</summary>
public sealed class UnprocessableEventException(string message) : Exception(message);

/// <summary>A stored document that breaks its own invariants. It is refused whole, never half-read.</summary>
public sealed class CorruptDocumentException(string message) : Exception(message);
