using System.Globalization;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Daprd.Invocation;

/// <summary>gRPC at the level of HTTP: a call that ends with a status and no message.</summary>
internal static class GrpcAnswer
{
    private const string Status = "grpc-status", Message = "grpc-message";

    public static bool IsGrpc(HttpRequest request) => request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true;

    /// <summary>Nothing of the response may have been sent yet.</summary>
    public static void Write(HttpResponse response, StatusCode code, string message)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/grpc";
        response.Headers[Status] = ((int)code).ToString(CultureInfo.InvariantCulture);
        response.Headers[Message] = Uri.EscapeDataString(message);
    }

    /// <summary>The message of the response's status; null if it is OK or not known yet.</summary>
    public static string? FindFailure(HttpResponse response)
    {
        var trailers = response.HttpContext.Features.Get<IHttpResponseTrailersFeature>()?.Trailers;
        var from = trailers?.ContainsKey(Status) == true ? trailers : response.Headers;
        return from[Status].ToString() is "" or "0" ? null : Uri.UnescapeDataString(from[Message].ToString());
    }
}
