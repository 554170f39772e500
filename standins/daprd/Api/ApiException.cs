using Grpc.Core;

namespace Daprd.Api;

/// <summary>A refused or failed request, with its code in both protocols.</summary>
/// <param name="code">The errorCode of an HTTP response.</param>
internal sealed class ApiException(StatusCode status, int httpStatus, string code, string message) : Exception(message)
{
    public StatusCode Status => status;

    public int HttpStatus => httpStatus;

    public string Code => code;
}
