using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Saga.Reservations;

namespace Saga.Hosting;

/// <summary>
/// Rejects events, and calls that hold or release, that do not come from the sidecar: with APP_API_TOKEN set, daprd sends it with each delivery and call
/// as dapr-api-token (since 1.15.13 and 1.16.2). It sends none when it asks for the subscriptions or for health. Rejects events that another app sends
/// through the sidecars, too. <see cref="GrpcPaths"/> has rejected other spellings of the methods.
/// </summary>
/// <remarks>
/// Before the request is read: a delivery may have 28 MiB, and as objects a hundred times as much, which no interceptor could prevent. Reads HTTP headers:
/// ServerCallContext.RequestHeaders throws on the repeated binary headers of a bulk delivery.
/// </remarks>
internal static class SidecarCalls
{
    /// <summary>Bytes of a callback that is no event, at most; daprd sends an empty message.</summary>
    private const int QueryMax = 64 * 1024;

    public static void UseSidecarCalls(this WebApplication app)
    {
        var token = app.Services.GetRequiredService<AppToken>();
        app.Use((http, next) =>
        {
            var method = http.Request.Path.Value ?? "";
            if (FindProblem(method, http.Request, token) is { } problem) return GrpcMessage.AnswerAsync(http, problem);
            if (IsCallback(method) && !IsEvent(method) && http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            {
                size.MaxRequestBodySize = QueryMax;
            }
            return next(http);
        });
    }

    /// <summary>Null: the call is taken.</summary>
    internal static Status? FindProblem(string method, HttpRequest request, AppToken token) =>
        IsEvent(method) && request.Headers.ContainsKey(AppToken.CallerHeader) ? new(StatusCode.PermissionDenied,
            "Events come from the broker: no app may deliver one to another, whose sidecar would not look at the scopes of its topic.")
        : token.IsSet && (IsEvent(method) || IsOrder(method)) && !token.IsSentWith(request) ? new(StatusCode.Unauthenticated,
            $"Only the sidecar may deliver events and orders: {AppToken.Header} must be the APP_API_TOKEN of this service, which the sidecar has to be started with too.")
        : IsCallback(method) && request.Headers["grpc-encoding"] is { Count: > 0 } encoding && encoding != "identity" ? new(StatusCode.Unimplemented,
            $"A sidecar does not compress its calls, and grpc-encoding '{encoding}' is not taken here.")
        : null;

    private static bool IsCallback(string method) => method.StartsWith("/dapr.", StringComparison.Ordinal);

    private static bool IsEvent(string method) =>
        method.EndsWith("/OnTopicEvent", StringComparison.Ordinal) || method.Contains("/OnBulkTopicEvent", StringComparison.Ordinal);

    private static bool IsOrder(string method) => method.StartsWith(ParticipantGrpcService.Path, StringComparison.Ordinal);
}
