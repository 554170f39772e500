using Grpc.Core;

namespace Grpc.Net.Client;

internal sealed class HttpCallInvoker(GrpcChannel channel) : CallInvoker
{
    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        using var call = AsyncUnaryCall(method, host, options, request);
        return call.ResponseAsync.GetAwaiter().GetResult();
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, host, options);
        call.Send(request);
        return new(call.ReadOnlyAsync(), HeadersOf, StatusOf, TrailersOf, DisposeOf, call);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, host, options);
        call.Send(request);
        return new(call, HeadersOf, StatusOf, TrailersOf, DisposeOf, call);
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, host, options);
        var requests = call.SendStream();
        return new(requests, call.ReadOnlyAsync(), HeadersOf, StatusOf, TrailersOf, DisposeOf, call);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, host, options);
        var requests = call.SendStream();
        return new(requests, call, HeadersOf, StatusOf, TrailersOf, DisposeOf, call);
    }

    private static Task<Metadata> HeadersOf(object call) => ((ClientCall)call).ResponseHeadersAsync;

    private static Status StatusOf(object call) => ((ClientCall)call).GetStatus();

    private static Metadata TrailersOf(object call) => ((ClientCall)call).GetTrailers();

    private static void DisposeOf(object call) => ((ClientCall)call).Dispose();
}
