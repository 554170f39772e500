using System.Net.Sockets;
using Dapr;
using Grpc.Core;

namespace Saga;

/// <summary>Tells a fault of the world, which a retry can cure, from what fails the same way however often it is tried.</summary>
internal static class Faults
{
    /// <summary>
    /// True: the sidecar, the store, the broker or another service did not answer, or other writers were first too often.
    /// False: a contradiction, a corrupt document, a refused argument or a bug; a retry would only hold up what comes behind.
    /// </summary>
    public static bool IsTransient(Exception fault) => fault switch
    {
        ContentionException or OperationCanceledException or TimeoutException or IOException or SocketException or HttpRequestException => true,
        RpcException refused => refused.StatusCode != StatusCode.InvalidArgument,
        DaprException { InnerException: RpcException inner } => IsTransient(inner),
        DaprException => true,
        _ => false,
    };
}

/// <summary>An event that this service will never be able to handle: it contradicts what is stored, or is about an order that does not exist.</summary>
public sealed class UnprocessableEventException(string message) : Exception(message);

/// <summary>A stored document that breaks its own invariants. It is refused whole, never half-read.</summary>
public sealed class CorruptDocumentException(string message) : Exception(message);
