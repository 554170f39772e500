using Grpc.Core;

namespace Grpc.AspNetCore.Server;

/// <summary>Wraps a method in the application's interceptors, the first one outermost.</summary>
internal sealed class InterceptorPipeline(IEnumerable<InterceptorRegistration> registrations)
{
    private readonly InterceptorRegistration[] innermostFirst = [.. registrations.Reverse()];

    public UnaryServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(UnaryServerMethod<TRequest, TResponse> method)
        where TRequest : class
        where TResponse : class
    {
        foreach (var registration in innermostFirst)
        {
            var next = method;
            method = async (request, context) =>
            {
                await using var interceptor = Lease(registration, context);
                return await interceptor.Instance.UnaryServerHandler(request, context, next);
            };
        }

        return method;
    }

    public ClientStreamingServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(
        ClientStreamingServerMethod<TRequest, TResponse> method)
        where TRequest : class
        where TResponse : class
    {
        foreach (var registration in innermostFirst)
        {
            var next = method;
            method = async (requests, context) =>
            {
                await using var interceptor = Lease(registration, context);
                return await interceptor.Instance.ClientStreamingServerHandler(requests, context, next);
            };
        }

        return method;
    }

    public ServerStreamingServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(
        ServerStreamingServerMethod<TRequest, TResponse> method)
        where TRequest : class
        where TResponse : class
    {
        foreach (var registration in innermostFirst)
        {
            var next = method;
            method = async (request, responses, context) =>
            {
                await using var interceptor = Lease(registration, context);
                await interceptor.Instance.ServerStreamingServerHandler(request, responses, context, next);
            };
        }

        return method;
    }

    public DuplexStreamingServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(
        DuplexStreamingServerMethod<TRequest, TResponse> method)
        where TRequest : class
        where TResponse : class
    {
        foreach (var registration in innermostFirst)
        {
            var next = method;
            method = async (requests, responses, context) =>
            {
                await using var interceptor = Lease(registration, context);
                await interceptor.Instance.DuplexStreamingServerHandler(requests, responses, context, next);
            };
        }

        return method;
    }

    private static Lease<Core.Interceptors.Interceptor> Lease(InterceptorRegistration registration, ServerCallContext context) =>
        registration.Lease(context.GetHttpContext().RequestServices);
}
