using System.Diagnostics;
using System.Net.Sockets;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Daprd.App;

/// <summary>The way from a sidecar to its app. The app need not be there yet.</summary>
/// <remarks>A call is in no trace but the one that its headers name: whatever activity is current where it is made is not meant.</remarks>
internal sealed class AppChannel : IDisposable
{
    private static readonly TimeSpan DialTimeout = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan DialPause = TimeSpan.FromMilliseconds(100);

    private readonly string _host;
    private readonly int _port;
    private readonly GrpcChannel _channel;
    private readonly AppCallback.AppCallbackClient _callback;
    private readonly AppCallbackAlpha.AppCallbackAlphaClient _alpha;
    private readonly AppCallbackHealthCheck.AppCallbackHealthCheckClient _health;

    public AppChannel(string host, int port)
    {
        _host = host;
        _port = port;
        Address = new Uri($"http://{host}:{port}");
        Invoker = new HttpMessageInvoker(NewHandler());
        _channel = GrpcChannel.ForAddress(Address, new GrpcChannelOptions { HttpHandler = NewHandler(), DisposeHttpClient = true });
        _callback = new AppCallback.AppCallbackClient(_channel);
        _alpha = new AppCallbackAlpha.AppCallbackAlphaClient(_channel);
        _health = new AppCallbackHealthCheck.AppCallbackHealthCheckClient(_channel);
    }

    public Uri Address { get; }

    /// <summary>For calls that are passed on as they are.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>Many calls on few connections, and no trace headers of our own making.</summary>
    public static SocketsHttpHandler NewHandler() => new()
    {
        EnableMultipleHttp2Connections = true,
        PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        ActivityHeadersPropagator = null,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        // With a way of its own to connect, gRPC does not wait before it tries again an app that was away.
        ConnectCallback = ConnectAsync,
    };

    /// <summary>Completes when something accepts connections on the app's port.</summary>
    public async Task WaitForPortAsync(CancellationToken stop)
    {
        while (!await AnswersAsync(stop)) await Task.Delay(DialPause, stop);
    }

    public async Task<ListTopicSubscriptionsResponse> ListSubscriptionsAsync(CancellationToken stop)
    {
        Activity.Current = null;
        return await _callback.ListTopicSubscriptionsAsync(new Empty(), cancellationToken: stop);
    }

    public async Task<TopicEventResponse> DeliverAsync(TopicEventRequest request, Metadata headers, CancellationToken stop)
    {
        Activity.Current = null;
        return await _callback.OnTopicEventAsync(request, headers, cancellationToken: stop);
    }

    /// <summary>By the rpc's alpha name where the app knows only that.</summary>
    public async Task<TopicEventBulkResponse> DeliverAsync(TopicEventBulkRequest request, Metadata headers, CancellationToken stop)
    {
        Activity.Current = null;
        try
        {
            return await _callback.OnBulkTopicEventAsync(request, headers, cancellationToken: stop);
        }
        catch (RpcException unknown) when (unknown.StatusCode == StatusCode.Unimplemented)
        {
            return await _alpha.OnBulkTopicEventAlpha1Async(request, headers, cancellationToken: stop);
        }
    }

    /// <summary>Anything but an answer counts as unhealthy, UNIMPLEMENTED too.</summary>
    public async Task<bool> ProbeAsync(TimeSpan limit, CancellationToken stop)
    {
        Activity.Current = null;
        try
        {
            await _health.HealthCheckAsync(new Empty(), deadline: DateTime.UtcNow + limit, cancellationToken: stop);
            return true;
        }
        catch (RpcException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _channel.Dispose();
        Invoker.Dispose();
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken stop)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, stop);
            return new RepeatedHeaders(new NetworkStream(socket, ownsSocket: true));
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken stop)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(DialTimeout);
        try
        {
            await socket.ConnectAsync(_host, _port, limit.Token);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
    }
}
