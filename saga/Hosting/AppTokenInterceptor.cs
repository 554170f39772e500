using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;

namespace Saga.Hosting;

/// <summary>
/// Refuses events that do not come from the sidecar: with APP_API_TOKEN set, daprd sends it with each delivery as dapr-api-token (since 1.15.13 and
/// 1.16.2). It sends none when it asks for the subscriptions or for health.
/// </summary>
/// <remarks>Reads HTTP headers: ServerCallContext.RequestHeaders throws on the repeated binary headers of a bulk delivery.</remarks>
internal sealed class AppTokenInterceptor(IConfiguration configuration) : Interceptor
{
    private const string Variable = "APP_API_TOKEN", Header = "dapr-api-token";

    private readonly byte[]? token = configuration[Variable] is { Length: > 0 } text ? Encoding.UTF8.GetBytes(text) : null;

    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (token is not null && IsDelivery(context.Method)
            && !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(context.GetHttpContext().Request.Headers[Header].ToString()), token))
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated,
                $"Only the sidecar may deliver events: {Header} must be the {Variable} of this service, which the sidecar has to be started with too."));
        }
        return continuation(request, context);
    }

    private static bool IsDelivery(string method) =>
        method.EndsWith("/OnTopicEvent", StringComparison.Ordinal) || method.Contains("/OnBulkTopicEvent", StringComparison.Ordinal);
}
