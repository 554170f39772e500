using Grpc.Core;

namespace Daprd.Api;

/// <summary>A refused or failed request, with its code in both protocols.</summary>
/// <param name="code">The errorCode of an HTTP response.</param>
/// <param name="reason">The reason of the google.rpc.ErrorInfo; null when daprd gives a bare status.</param>
internal sealed class ApiException(StatusCode status, int httpStatus, string code, string message, string? reason = null) : Exception(message)
{
    public StatusCode Status => status;

    public int HttpStatus => httpStatus;

    public string Code => code;

    public string? Reason => reason;
}
