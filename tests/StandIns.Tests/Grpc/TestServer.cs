using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace StandIns.GrpcTests;

/// <summary>The interop service, and what a test adds, on Kestrel on a free port, with a channel to it.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private TestServer(WebApplication app)
    {
        this.app = app;
        Address = Addresses[0];
        Channel = GrpcChannel.ForAddress(Address);
        Client = new Interop.Interop.InteropClient(Channel);
    }

    public Uri Address { get; }

    public IReadOnlyList<Uri> Addresses => [.. app.Urls.Select(url => new Uri(url))];

    public GrpcChannel Channel { get; }

    public Interop.Interop.InteropClient Client { get; }

    public IServiceProvider Services => app.Services;

    public InteropScript Script => app.Services.GetRequiredService<InteropScript>();

    public static async Task<TestServer> StartAsync(
        Action<GrpcServiceOptions>? grpc = null, Action<IServiceCollection>? services = null, Action<WebApplication>? map = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
            kestrel.Listen(System.Net.IPAddress.Loopback, port, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc(grpc ?? (_ => { }));
        builder.Services.AddSingleton<InteropScript>();
        services?.Invoke(builder.Services);
        var app = builder.Build();
        app.MapGrpcService<InteropService>();
        map?.Invoke(app);
        await app.StartAsync();
        return new TestServer(app);
    }

    /// <summary>Takes no more calls, and ends when those in flight have.</summary>
    public Task StopAsync() => app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await app.DisposeAsync();
    }
}
