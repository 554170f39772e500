using System.Diagnostics;
using System.Net.Sockets;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Daprd.App;

/// <summary>The gRPC channel from a sidecar to its app. Can be created before the app listens.</summary>
/// <remarks>The trace context of a call is only what its headers say, so every call clears Activity.Current.</remarks>
internal sealed class AppChannel : IDisposable
{
    private static readonly TimeSpan DialTimeout = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan DialDelay = TimeSpan.FromMilliseconds(100);

    private readonly int port;
    private readonly GrpcChannel channel;
    private readonly AppCallback.AppCallbackClient callback;
    private readonly AppCallbackHealthCheck.AppCallbackHealthCheckClient health;

    public AppChannel(int port)
    {
        this.port = port;
        Address = new Uri($"http://{SidecarOptions.AppHost}:{port}");
        Invoker = new HttpMessageInvoker(NewHandler());
        channel = GrpcChannel.ForAddress(Address, new GrpcChannelOptions { HttpHandler = NewHandler(), DisposeHttpClient = true });
        callback = new AppCallback.AppCallbackClient(channel);
        health = new AppCallbackHealthCheck.AppCallbackHealthCheckClient(channel);
    }

    public Uri Address { get; }

    /// <summary>For proxied calls.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>HTTP/2 with several connections and without trace headers of its own.</summary>
    public static SocketsHttpHandler NewHandler() => new()
    {
        EnableMultipleHttp2Connections = true,
        PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        ActivityHeadersPropagator = null,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        // With a ConnectCallback, Grpc.Net.Client has no reconnect backoff after the app was unavailable.
        ConnectCallback = ConnectAsync,
    };

    /// <summary>Completes when the app's port accepts connections.</summary>
    public async Task WaitForPortAsync(CancellationToken ct)
    {
        while (!await AnswersAsync(ct)) await Task.Delay(DialDelay, ct);
    }

    public async Task<ListTopicSubscriptionsResponse> ListSubscriptionsAsync(CancellationToken ct)
    {
        Activity.Current = null;
        return await callback.ListTopicSubscriptionsAsync(new Empty(), cancellationToken: ct);
    }

    public async Task<TopicEventResponse> DeliverAsync(TopicEventRequest request, Metadata headers, CancellationToken ct)
    {
        Activity.Current = null;
        return await callback.OnTopicEventAsync(request, headers, cancellationToken: ct);
    }

    public async Task<TopicEventBulkResponse> DeliverAsync(TopicEventBulkRequest request, Metadata headers, CancellationToken ct)
    {
        Activity.Current = null;
        return await callback.OnBulkTopicEventAsync(request, headers, cancellationToken: ct);
    }

    /// <summary>Every error counts as unhealthy, including UNIMPLEMENTED.</summary>
    public async Task<bool> ProbeAsync(TimeSpan limit, CancellationToken ct)
    {
        Activity.Current = null;
        try
        {
            await health.HealthCheckAsync(new Empty(), deadline: TimeProvider.System.GetUtcNow().UtcDateTime + limit, cancellationToken: ct);
            return true;
        }
        catch (RpcException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        channel.Dispose();
        Invoker.Dispose();
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken ct)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(DialTimeout);
        try
        {
            await socket.ConnectAsync(SidecarOptions.AppHost, port, limit.Token);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }
}
