using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Integration.Cli;

/// <summary>Answers about its health as a sidecar's HTTP API does.</summary>
internal sealed class SidecarHttp : IAsyncDisposable
{
    private readonly WebApplication app;

    private SidecarHttp(WebApplication app) => this.app = app;

    public string Address => app.Urls.Single();

    /// <param name="whole">The status of /v1.0/healthz, with <paramref name="why"/>.</param>
    /// <param name="outbound">The status of /v1.0/healthz/outbound.</param>
    public static async Task<SidecarHttp> StartAsync(int whole, string why, int outbound)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapGet("/v1.0/healthz", () => why.Length == 0 ? Results.StatusCode(whole) : Results.Text(why, "application/json", statusCode: whole));
        app.MapGet("/v1.0/healthz/outbound", () => Results.StatusCode(outbound));
        await app.StartAsync();
        return new(app);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
