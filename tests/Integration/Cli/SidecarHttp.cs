using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Integration.Cli;

/// <summary>A stub of the health endpoints of a sidecar.</summary>
internal sealed class SidecarHttp : IAsyncDisposable
{
    private readonly WebApplication app;

    private SidecarHttp(WebApplication app) => this.app = app;

    public string Address => app.Urls.Single();

    /// <param name="health">The status of /v1.0/healthz, with <paramref name="body"/>.</param>
    /// <param name="outbound">The status of /v1.0/healthz/outbound.</param>
    public static async Task<SidecarHttp> StartAsync(int health, string body, int outbound, string contentType = "application/json")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapGet("/v1.0/healthz", () => body.Length == 0 ? Results.StatusCode(health) : Results.Text(body, contentType, statusCode: health));
        app.MapGet("/v1.0/healthz/outbound", () => Results.StatusCode(outbound));
        await app.StartAsync();
        return new(app);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
