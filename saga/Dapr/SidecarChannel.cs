using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Microsoft.Extensions.Configuration;

namespace Saga.Dapr;

/// <summary>The gRPC channel to the sidecar of this process, and through it to other apps.</summary>
/// <remarks>Configured by DAPR_GRPC_ENDPOINT or DAPR_GRPC_PORT, and by DAPR_API_TOKEN, which is sent with every call. A unary call ends after 15 s with
/// DEADLINE_EXCEEDED; what it asked for may still happen.</remarks>
public sealed class SidecarChannel : IDisposable
{
    /// <summary>Reconnect backoff. A local reconnect is cheap; gRPC's default grows to two minutes.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(1);

    /// <summary>Notices a connection that is dead without being closed. daprd closes connections that ping more often than every 8 s.</summary>
    private static readonly TimeSpan KeepAliveDelay = TimeSpan.FromSeconds(20), KeepAliveTimeout = TimeSpan.FromSeconds(10);

    private readonly GrpcChannel channel;

    internal SidecarChannel(IConfiguration configuration, TimeProvider clock)
    {
        var address = GetSetting("DAPR_GRPC_ENDPOINT") ?? $"http://127.0.0.1:{GetSetting("DAPR_GRPC_PORT") ?? "50001"}";
        channel = GrpcChannel.ForAddress(address, new()
        {
            InitialReconnectBackoff = FirstPause,
            MaxReconnectBackoff = LongestPause,
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                EnableMultipleHttp2Connections = true,
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                KeepAlivePingDelay = KeepAliveDelay,
                KeepAlivePingTimeout = KeepAliveTimeout,
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            },
        });
        var calls = channel.Intercept(new DefaultDeadline(clock));
        Sidecar = GetSetting("DAPR_API_TOKEN") is { } token ? calls.Intercept(headers => With(headers, "dapr-api-token", token)) : calls;

        string? GetSetting(string name) => configuration[name]?.Trim() is { Length: > 0 } value ? value : null;
    }

    /// <summary>For calls to the sidecar itself.</summary>
    internal CallInvoker Sidecar { get; }

    /// <summary>For calls to another app, by its Dapr app id.</summary>
    public CallInvoker To(string appId) => Sidecar.Intercept(headers => With(headers, "dapr-app-id", appId));

    public void Dispose() => channel.Dispose();

    private static Metadata With(Metadata headers, string name, string value)
    {
        headers.Add(name, value);
        return headers;
    }

    /// <summary>A frozen sidecar accepts calls and never answers: a unary call without a deadline gets one.</summary>
    private sealed class DefaultDeadline(TimeProvider clock) : Interceptor
    {
        /// <summary>Longer than an event may be handled (4 s) and than a store may take to fail over.</summary>
        private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            continuation(request, context.Options.Deadline is not null ? context
                : new(context.Method, context.Host, context.Options.WithDeadline(clock.GetUtcNow().UtcDateTime + Limit)));
    }
}
