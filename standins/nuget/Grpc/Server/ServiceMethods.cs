using System.Reflection;
using Grpc.Core;

namespace Grpc.AspNetCore.Server;

/// <summary>Collects, from the generated binding of a service, what to do for each of its methods.</summary>
internal sealed class ServiceMethods<TService>(MappedServices mapped) : ServiceBinderBase
    where TService : class
{
    private readonly Activator<TService> services = new(typeof(TService));
    private readonly List<ServedMethod> methods = [];

    private delegate Task<TResponse> Unary<TRequest, TResponse>(TService service, TRequest request, ServerCallContext context);

    private delegate Task<TResponse> ClientStreaming<TRequest, TResponse>(
        TService service, IAsyncStreamReader<TRequest> requests, ServerCallContext context);

    private delegate Task ServerStreaming<TRequest, TResponse>(
        TService service, TRequest request, IServerStreamWriter<TResponse> responses, ServerCallContext context);

    private delegate Task DuplexStreaming<TRequest, TResponse>(
        TService service, IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses, ServerCallContext context);

    public IReadOnlyList<ServedMethod> Methods => methods;

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var own = Own<Unary<TRequest, TResponse>>(
            method.Name, typeof(TRequest), typeof(ServerCallContext));
        var serve = mapped.Interceptors.Around<TRequest, TResponse>(async (request, context) =>
        {
            await using var service = Lease(context);
            return await own(service.Instance, request, context);
        });
        Add(method, async call =>
        {
            var request = await call.ReadOnlyAsync(method.RequestMarshaller);
            var response = await serve(request, call);
            await call.WriteOnlyAsync(response, method.ResponseMarshaller);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var own = Own<ClientStreaming<TRequest, TResponse>>(
            method.Name, typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext));
        var serve = mapped.Interceptors.Around<TRequest, TResponse>(async (requests, context) =>
        {
            await using var service = Lease(context);
            return await own(service.Instance, requests, context);
        });
        Add(method, async call =>
        {
            call.ExpectStream();
            var response = await serve(new RequestStream<TRequest>(call, method.RequestMarshaller), call);
            await call.WriteOnlyAsync(response, method.ResponseMarshaller);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var own = Own<ServerStreaming<TRequest, TResponse>>(
            method.Name, typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        var serve = mapped.Interceptors.Around<TRequest, TResponse>(async (request, responses, context) =>
        {
            await using var service = Lease(context);
            await own(service.Instance, request, responses, context);
        });
        Add(method, async call =>
        {
            var request = await call.ReadOnlyAsync(method.RequestMarshaller);
            await serve(request, new ResponseStream<TResponse>(call, method.ResponseMarshaller), call);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var own = Own<DuplexStreaming<TRequest, TResponse>>(
            method.Name, typeof(IAsyncStreamReader<TRequest>), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        var serve = mapped.Interceptors.Around<TRequest, TResponse>(async (requests, responses, context) =>
        {
            await using var service = Lease(context);
            await own(service.Instance, requests, responses, context);
        });
        Add(method, call =>
        {
            call.ExpectStream();
            return serve(
                new RequestStream<TRequest>(call, method.RequestMarshaller),
                new ResponseStream<TResponse>(call, method.ResponseMarshaller),
                call);
        });
    }

    private Lease<TService> Lease(ServerCallContext context) => services.Lease(context.GetHttpContext().RequestServices);

    private void Add(IMethod method, Func<ServerCall, Task> serve) => methods.Add(new ServedMethod(method, serve, mapped));

    private static TDelegate Own<TDelegate>(string name, params Type[] parameters)
        where TDelegate : Delegate
    {
        var method = typeof(TService).GetMethod(name, BindingFlags.Public | BindingFlags.Instance, parameters)
            ?? throw new InvalidOperationException($"{typeof(TService)} has no method {name} that fits its service.");
        return method.CreateDelegate<TDelegate>();
    }
}
