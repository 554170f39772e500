using Daprd.Api;
using Daprd.Files;
using Daprd.Invocation;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Yarp.ReverseProxy.Forwarder;

namespace Daprd;

/// <summary>The servers of one sidecar: gRPC, including proxied calls, and HTTP.</summary>
internal sealed class SidecarServer(Sidecar sidecar) : IAsyncDisposable
{
    private const string DaprService = "/dapr.proto.runtime.v1.Dapr/";

    /// <summary>daprd's default for both protocols.</summary>
    internal const int MaxBodyBytes = 4 * 1024 * 1024;

    private WebApplication? app;
    private GrpcProxy? proxy;

    /// <summary>Throws <see cref="ConfigurationException"/> if a port is taken.</summary>
    public async Task StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        // No handler blocks, so requests can run on the socket threads.
        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true).ConfigureKestrel(Listen);
        builder.Services.AddRoutingCore();
        builder.Services.AddLogging();
        builder.Services.AddHttpForwarder();
        builder.Services.AddSingleton<IHostLifetime, NoSignalHandling>();
        builder.Services.AddSingleton(new DaprApi(sidecar));
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = MaxBodyBytes;
            grpc.MaxSendMessageSize = MaxBodyBytes;
        });
        app = builder.Build();
        proxy = new GrpcProxy(sidecar, app.Services.GetRequiredService<IHttpForwarder>());
        app.Use(ForeignPages.RejectAsync);
        if (sidecar.Options.ApiToken.Length > 0) app.Use(new ApiToken(sidecar.Options.ApiToken).CheckAsync);
        app.Use(ChooseAsync);
        app.UseRouting();
        app.MapGrpcService<DaprApi>();
        new HttpApi(sidecar).Map(app);
        try
        {
            await app.StartAsync();
        }
        catch (IOException taken)
        {
            var options = sidecar.Options;
            throw new ConfigurationException(
                $"The ports {options.GrpcPort} and {options.HttpPort} of {options.AppId} cannot both be opened: {taken.Message}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (app is null) return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await app.StopAsync(limit.Token);
        await app.DisposeAsync();
        proxy?.Dispose();
    }

    private void Listen(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        // gRPC has its own limit, and answers it.
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.Http2.MaxStreamsPerConnection = int.MaxValue;
        kestrel.ListenLocalhost(sidecar.Options.GrpcPort, listen => listen.Protocols = HttpProtocols.Http2);
        kestrel.ListenLocalhost(sidecar.Options.HttpPort, listen => listen.Protocols = HttpProtocols.Http1);
    }

    /// <summary>Dispatches a call: RPCs of Dapr are served or answered with UNIMPLEMENTED, calls of all other services are proxied to apps.</summary>
    private Task ChooseAsync(HttpContext context, RequestDelegate next)
    {
        if (!GrpcAnswer.IsGrpc(context.Request)) return next(context);
        var path = context.Request.Path.Value ?? "";
        if (!path.StartsWith(DaprService, StringComparison.Ordinal)) return proxy!.ForwardAsync(context);
        var method = path[DaprService.Length..];
        if (DaprApi.Methods.Contains(method)) return next(context);
        GrpcAnswer.Write(context.Response, StatusCode.Unimplemented, $"{method} is not in this stand-in for daprd");
        return Task.CompletedTask;
    }

    /// <summary>Signals are handled by the process, not by each server.</summary>
    private sealed class NoSignalHandling : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
