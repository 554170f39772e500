namespace Grpc.Core.Interceptors;

/// <summary>The call an interceptor is about to make, and may change.</summary>
public struct ClientInterceptorContext<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options)
    where TRequest : class
    where TResponse : class
{
    public Method<TRequest, TResponse> Method { get; } = method;

    /// <summary>Authority to ask for; null: the channel's.</summary>
    public string? Host { get; } = host;

    public CallOptions Options { get; } = options;
}
