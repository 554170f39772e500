using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>What an exception of the HTTP client means for the call.</summary>
internal static class TransportFailure
{
    public static Status StatusOf(Exception e, Uri address)
    {
        switch (e)
        {
            case RpcException rpc:
                return rpc.Status;
            case HttpRequestException { HttpRequestError: HttpRequestError.VersionNegotiationError }:
                return new Status(StatusCode.Internal, $"The server at {address} does not speak HTTP/2: {e.Message}", e);
        }

        for (var cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException protocol)
            {
                return new Status(OfStream(protocol.ErrorCode), $"The server at {address} reset the call: {protocol.Message}", e);
            }
        }

        return e switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } =>
                new Status(StatusCode.Unavailable, $"The server at {address} cannot be reached: {e.Message}", e),
            HttpRequestException or IOException =>
                new Status(StatusCode.Unavailable, $"The connection to the server at {address} failed: {e.Message}", e),
            _ => new Status(StatusCode.Internal, $"The call to the server at {address} failed: {e.Message}", e),
        };
    }

    /// <summary>From HTTP/2's error codes, as the protocol says.</summary>
    private static StatusCode OfStream(long errorCode) => errorCode switch
    {
        0x7 => StatusCode.Unavailable, // REFUSED_STREAM
        0x8 => StatusCode.Cancelled, // CANCEL
        0xb => StatusCode.ResourceExhausted, // ENHANCE_YOUR_CALM
        0xc => StatusCode.PermissionDenied, // INADEQUATE_SECURITY
        _ => StatusCode.Internal,
    };
}
