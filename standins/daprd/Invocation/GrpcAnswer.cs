using System.Globalization;
using Daprd.Api;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Invocation;

/// <summary>Ends a gRPC call with a status and no message.</summary>
internal static class GrpcAnswer
{
    public static bool IsGrpc(HttpRequest request) => request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true;

    /// <param name="details">A google.rpc.Status; null: none.</param>
    public static void Write(HttpResponse response, StatusCode code, string message, byte[]? details = null)
    {
        var trailers = response.HasStarted
            ? response.HttpContext.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpResponseTrailersFeature>()?.Trailers
            : null;
        var target = trailers ?? response.Headers;
        if (!response.HasStarted)
        {
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = "application/grpc";
        }

        target["grpc-status"] = ((int)code).ToString(CultureInfo.InvariantCulture);
        target["grpc-message"] = Uri.EscapeDataString(message).Replace("%20", " ");
        if (details is not null) target[RichStatus.Trailer] = Convert.ToBase64String(details).TrimEnd('=');
    }
}
