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

    private static readonly string Unknown = Format(StatusCode.Unknown), InvalidArgument = Format(StatusCode.InvalidArgument);

    public static void UseUnreadableRequests(this WebApplication app) => app.Use(async (http, next) =>
    {
        await next(http);
        // A refusal without a response message is in the headers, which are not sent yet.
        if (http.Response.HasStarted || http.Response.Headers[Status] != Unknown) return;
        http.Response.Headers[Status] = InvalidArgument;
        http.Response.Headers[Message] = GrpcMessage.Encode($"The bytes are not a request of {http.Request.Path}.");
    });

    private static string Format(StatusCode code) => ((int)code).ToString(CultureInfo.InvariantCulture);
}
