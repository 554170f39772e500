using Grpc.Core;
using Grpc.Core.Interceptors;
using Saga.Dapr;

namespace Saga.Hosting;

/// <summary>Runs unary handlers on the <see cref="EventLoop"/>. Streams stay on the thread pool: they live long and mostly wait.</summary>
internal sealed class EventLoopInterceptor(EventLoop eventLoop) : Interceptor
{
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        eventLoop.RunAsync(() => continuation(request, context));
}
