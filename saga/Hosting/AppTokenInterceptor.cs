using Grpc.Core;
using Grpc.Core.Interceptors;
using Saga.Reservations;

namespace Saga.Hosting;

/// <summary>
/// Refuses events, and calls that hold or release, that do not come from the sidecar: with APP_API_TOKEN set, daprd sends it with each delivery and call
/// as dapr-api-token (since 1.15.13 and 1.16.2). It sends none when it asks for the subscriptions or for health. Refuses events that another app sends
/// through the sidecars, too. <see cref="GrpcPaths"/> has refused other spellings of the methods.
/// </summary>
/// <remarks>Reads HTTP headers: ServerCallContext.RequestHeaders throws on the repeated binary headers of a bulk delivery.</remarks>
internal sealed class AppTokenInterceptor(AppToken token) : Interceptor
{
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        var http = context.GetHttpContext().Request;
        if (IsEvent(context.Method) && http.Headers.ContainsKey(AppToken.CallerHeader))
        {
            throw new RpcException(new Status(StatusCode.PermissionDenied,
                "Events come from the broker: no app may deliver one to another, whose sidecar would not look at the scopes of its topic."));
        }
        if (token.IsSet && (IsEvent(context.Method) || IsOrder(context.Method)) && !token.IsSentWith(http))
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated,
                $"Only the sidecar may deliver events and orders: {AppToken.Header} must be the APP_API_TOKEN of this service, which the sidecar has to be started with too."));
        }
        return continuation(request, context);
    }

    private static bool IsEvent(string method) =>
        method.EndsWith("/OnTopicEvent", StringComparison.Ordinal) || method.Contains("/OnBulkTopicEvent", StringComparison.Ordinal);

    private static bool IsOrder(string method) => method.StartsWith(ParticipantGrpcService.Path, StringComparison.Ordinal);
}
