using System.Runtime.CompilerServices;
using Grpc.Net.Client;
using StandIns.Daprd;

namespace StandIns.GrpcTests;

/// <summary>The interop service as grpc-js serves it.</summary>
public sealed class GrpcJsServer() : ForeignPeer("node", "node/interop-server.mjs");

/// <summary>A server in another language, which prints 'port N' when it listens, with a channel to it.</summary>
public class ForeignPeer : IAsyncLifetime, IAsyncDisposable
{
    private readonly ChildProcess process;
    private EncodingListener? listener;

    /// <param name="script">Below tests/.</param>
    internal ForeignPeer(string command, string script) => process = ChildProcess.Start(command, [PathOf(script)]);

    public Uri Address { get; private set; } = null!;

    /// <summary>The grpc-encoding of the last response to the channel that <see cref="Listen"/> made.</summary>
    public string? LastEncoding => listener?.Last;

    /// <summary>Over a connection of its own.</summary>
    public GrpcChannel Channel { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        var port = (await process.LineAsync("port "))["port ".Length..];
        Address = new Uri($"http://127.0.0.1:{port}");
        Channel = GrpcChannel.ForAddress(Address);
    }

    public GrpcChannel Listen() =>
        GrpcChannel.ForAddress(Address, new GrpcChannelOptions { HttpHandler = listener = new EncodingListener(), DisposeHttpClient = true });

    public Task LineAsync(string text) => process.LineAsync(text);

    public async ValueTask DisposeAsync()
    {
        Channel?.Dispose();
        await process.DisposeAsync();
    }

    async Task IAsyncLifetime.DisposeAsync() => await DisposeAsync();

    internal static string PathOf(string script, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(here, "../../..", script));

    private sealed class EncodingListener() : DelegatingHandler(new SocketsHttpHandler())
    {
        public string? Last { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken);
            Last = response.Headers.TryGetValues("grpc-encoding", out var encodings) ? encodings.Single() : null;
            return response;
        }
    }
}
