using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server;

/// <summary>Whether an HTTP request is a gRPC call at all.</summary>
internal static class GrpcRequest
{
    /// <summary>Answers a request that is none: 426 when it is not HTTP/2, 415 when its content type is another.</summary>
    /// <returns>True when it was answered.</returns>
    public static bool Refuse(HttpContext http)
    {
        if (!HttpProtocol.IsHttp2(http.Request.Protocol) && !HttpProtocol.IsHttp3(http.Request.Protocol))
        {
            http.Response.Headers.Upgrade = "HTTP/2";
            Answer(http, StatusCodes.Status426UpgradeRequired, $"gRPC needs HTTP/2; this request came as {http.Request.Protocol}.");
            return true;
        }

        if (!HasContentType(http.Request))
        {
            Answer(http, StatusCodes.Status415UnsupportedMediaType, $"Content-Type '{http.Request.ContentType}' is not supported.");
            return true;
        }

        return false;
    }

    public static bool HasContentType(HttpRequest request) => Frame.IsContentType(request.ContentType);

    private static void Answer(HttpContext http, int httpStatus, string detail)
    {
        http.Response.StatusCode = httpStatus;
        StatusHeaders.Write(http.Response.Headers, new Status(StatusCode.Internal, detail));
    }
}
