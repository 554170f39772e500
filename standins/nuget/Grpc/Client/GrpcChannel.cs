using Grpc.Core;
using Grpc.Net.Client.Http2;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>A way to one server over HTTP/2; connects when first called. Expensive to make, free to share.</summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    internal const string UserAgent = "grpc-dotnet/2.80.0";

    private readonly CancellationTokenSource disposed = new();
    private readonly Connections? connections;
    private readonly HttpMessageInvoker? http;
    private readonly bool ownsHttp;

    private GrpcChannel(Uri address, GrpcChannelOptions options)
        : base(address.Authority)
    {
        if (options.HttpClient is not null && options.HttpHandler is not null)
        {
            throw new ArgumentException("HttpClient and HttpHandler were both given; a channel uses one of them.", nameof(options));
        }

        Address = address;
        Options = options;
        var given = options.HttpClient is not null || options.HttpHandler is not null;
        if (!given && address.Scheme == Uri.UriSchemeHttp)
        {
            connections = new Connections(address);
            return;
        }

        ownsHttp = options.DisposeHttpClient || !given;
        http = options.HttpClient ?? new HttpMessageInvoker(options.HttpHandler ?? OwnHandler(), disposeHandler: ownsHttp);
    }

    internal Uri Address { get; }

    internal GrpcChannelOptions Options { get; }

    internal bool IsDisposed => disposed.IsCancellationRequested;

    public static GrpcChannel ForAddress(string address) => ForAddress(address, new GrpcChannelOptions());

    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions) => ForAddress(new Uri(address), channelOptions);

    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    /// <exception cref="ArgumentException">The address is neither http nor https.</exception>
    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        return address.IsAbsoluteUri && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)
            ? new GrpcChannel(address, channelOptions)
            : throw new ArgumentException($"'{address}' is no address of a channel: it starts with http:// or https://.", nameof(address));
    }

    public override CallInvoker CreateCallInvoker()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return new HttpCallInvoker(this);
    }

    /// <summary>Cancels the calls in flight.</summary>
    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }

        disposed.Cancel();
        connections?.Dispose();
        if (ownsHttp)
        {
            http!.Dispose();
        }
    }

    internal Exchange Open(RequestHead head, PooledFrame? only, bool patient)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return connections?.Open(head, only, patient) ?? new HttpExchange(http!, Address, head, only, disposed.Token);
    }

    /// <summary>Without what no gRPC server asks for, each of which costs every call something.</summary>
    private static SocketsHttpHandler OwnHandler() => new()
    {
        EnableMultipleHttp2Connections = true,
        AllowAutoRedirect = false,
        UseCookies = false,
    };
}
