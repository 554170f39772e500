using System.Globalization;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Saga.Hosting;

/// <summary>
/// Answers a gRPC call whose bytes are not its request message with INVALID_ARGUMENT. Grpc.AspNetCore reads the request before any interceptor, and
/// answers UNKNOWN as if the handler had failed; <see cref="ExceptionInterceptor"/> gives every exception of a handler another status.
/// </summary>
internal static class UnreadableRequests
{
    private const string Status = "grpc-status", Message = "grpc-message";

    private static readonly string Unknown = Format(StatusCode.Unknown), Internal = Format(StatusCode.Internal), InvalidArgument = Format(StatusCode.InvalidArgument);

    /// <summary>What Grpc.AspNetCore says of bytes that are no message, or two. Spaces are not encoded.</summary>
    private static readonly string[] Framing = ["Incomplete message", "Additional data after the message"];

    public static void UseUnreadableRequests(this WebApplication app) => app.Use(async (http, next) =>
    {
        await next(http);
        // A refusal without a response message is in the headers, which are not sent yet.
        if (http.Response.HasStarted) return;
        var status = http.Response.Headers[Status];
        if (status != Unknown && (status != Internal || !Framing.Any(http.Response.Headers[Message].ToString().StartsWith))) return;
        http.Response.Headers[Status] = InvalidArgument;
        http.Response.Headers[Message] = GrpcMessage.Encode($"The bytes are not a request of {http.Request.Path}.");
    });

    private static string Format(StatusCode code) => ((int)code).ToString(CultureInfo.InvariantCulture);
}
