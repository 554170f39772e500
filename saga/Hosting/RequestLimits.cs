using System.Threading.RateLimiting;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Commands;
using Saga.Reservations;

namespace Saga.Hosting;

/// <summary>
/// Bounds what clients may have in progress. A call over the limit is rejected at once with RESOURCE_EXHAUSTED, over HTTP 429, and a time to retry
/// after: what is accepted still ends before its deadline. Deliveries of the sidecar and health checks are not limited.
/// </summary>
internal sealed class RequestLimits(SagaOptions options) : IDisposable
{
    /// <summary>A hint: the work of one full set of requests takes about this long.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>Streams of reflection and health, which need no token, do not end by themselves, and must not take the places of others.</summary>
    private const int AnonymousStreamsMax = 100;

    private readonly ConcurrencyLimiter requests = New(options.RequestsMax), streams = New(options.StreamsMax),
        anonymousStreams = New(Math.Min(AnonymousStreamsMax, options.StreamsMax));

    public void Dispose()
    {
        requests.Dispose();
        streams.Dispose();
        anonymousStreams.Dispose();
    }

    /// <summary>Enters a request. Dispose the result at its end.</summary>
    /// <exception cref="RejectedException">There are Saga:RequestsMax in progress.</exception>
    internal IDisposable EnterRequest() => Enter(requests, $"{options.RequestsMax} requests are in progress");

    /// <summary>Enters a stream. Dispose the result at its end.</summary>
    /// <exception cref="RejectedException">There are Saga:StreamsMax open.</exception>
    internal IDisposable EnterStream() => Enter(streams, $"{options.StreamsMax} streams are open");

    /// <summary>Enters a stream of reflection or health. Dispose the result at its end.</summary>
    /// <exception cref="RejectedException">There are 100 open, or Saga:StreamsMax if that is less.</exception>
    internal IDisposable EnterAnonymousStream() => Enter(anonymousStreams, $"{Math.Min(AnonymousStreamsMax, options.StreamsMax)} streams of reflection and health are open");

    /// <summary>A filter for HTTP endpoints. A rejection is problem details with status 429 and Retry-After.</summary>
    public static ValueTask<object?> FilterRequestAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        FilterAsync(context, next, limits => limits.EnterRequest());

    /// <summary>A filter for HTTP endpoints with server-sent events, which are a stream until the client leaves.</summary>
    public static ValueTask<object?> FilterStreamAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        FilterAsync(context, next, limits => limits.EnterStream());

    private static async ValueTask<object?> FilterAsync(
        EndpointFilterInvocationContext context, EndpointFilterDelegate next, Func<RequestLimits, IDisposable> enter)
    {
        var http = context.HttpContext;
        try
        {
            // Until the response is written: the result that the endpoint returns runs after this filter.
            http.Response.RegisterForDispose(enter(http.RequestServices.GetRequiredService<RequestLimits>()));
        }
        catch (RejectedException rejected)
        {
            return ProblemDetails.Create(rejected.Rejection);
        }
        return await next(context);
    }

    private static ConcurrencyLimiter New(int max) => new(new() { PermitLimit = max, QueueLimit = 0 });

    private static RateLimitLease Enter(ConcurrencyLimiter limiter, string problem)
    {
        var lease = limiter.AttemptAcquire();
        if (lease.IsAcquired) return lease;
        lease.Dispose();
        throw new RejectedException(Rejection.Exhausted($"{problem}, the limit of this instance", RetryAfter));
    }
}

/// <summary>
/// Applies <see cref="RequestLimits"/> to the calls of clients: to all but those of the sidecar, health checks, and those that carry an accepted order on.
/// Reflection and the watching of health are streams with a limit of their own.
/// </summary>
internal sealed class RequestLimitInterceptor(RequestLimits limits, IHostApplicationLifetime lifetime) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        // Health checks.
        if (!IsLimited(context.Method) || IsAnonymous(context.Method)) return await continuation(request, context);
        using var entered = limits.EnterRequest();
        return await continuation(request, context);
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (!IsLimited(context.Method))
        {
            await continuation(request, responseStream, context);
            return;
        }
        using var entered = IsAnonymous(context.Method) ? limits.EnterAnonymousStream() : limits.EnterStream();
        await continuation(request, responseStream, context);
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        using var entered = IsAnonymous(context.Method) ? limits.EnterAnonymousStream() : limits.EnterStream();
        await continuation(new UntilStop<TRequest>(requestStream, lifetime.ApplicationStopping), responseStream, context);
    }

    private static bool IsLimited(string method) =>
        !method.StartsWith("/dapr.", StringComparison.Ordinal)
        && !method.StartsWith(ParticipantGrpcService.Path, StringComparison.Ordinal);

    /// <summary>Reflection and health, which need no token.</summary>
    private static bool IsAnonymous(string method) => method.StartsWith("/grpc.", StringComparison.Ordinal);

    /// <summary>The requests of a client, which end when the service is stopped: reflection waits for the next one as long as its client is there.</summary>
    private sealed class UntilStop<T>(IAsyncStreamReader<T> requests, CancellationToken stopping) : IAsyncStreamReader<T>
    {
        public T Current => requests.Current;

        public async Task<bool> MoveNext(CancellationToken ct)
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(ct, stopping);
            try
            {
                return await requests.MoveNext(end.Token);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return false;
            }
        }
    }
}
