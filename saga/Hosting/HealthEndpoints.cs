using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Saga.Messaging;
using Saga.State;

namespace Saga.Hosting;

/// <summary>Liveness and readiness: over gRPC by health name ("" is readiness), over HTTP by path.</summary>
internal static class HealthEndpoints
{
    /// <summary>SERVING as long as the process answers: a restart does not help a service whose sidecar is down.</summary>
    public const string Liveness = "liveness";

    public static void AddHealth(this IServiceCollection services)
    {
        services.AddSingleton<SubscriptionDiscovery>();
        services.AddSingleton<StoreProbe>();
        services.AddSingleton<ComponentProbe>();
        services.AddGrpcHealthChecks(health => health.Services.Map(Liveness, check => check.Name == Liveness))
            .AddCheck(Liveness, () => HealthCheckResult.Healthy()).AddCheck<Readiness>("sidecar");
    }

    /// <summary>The status, and what is wrong in a line for each failed check.</summary>
    private static Task WriteAsync(HttpContext http, HealthReport report)
    {
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync(string.Join('\n', [$"{report.Status}", .. report.Entries.Values.Select(entry => entry.Description).OfType<string>()]));
    }

    public static void MapHealth(this WebApplication app)
    {
        app.MapGrpcHealthChecksService().AllowAnonymous();
        app.MapHealthChecks("/healthz/live", new HealthCheckOptions { Predicate = check => check.Name == Liveness }).AllowAnonymous();
        app.MapHealthChecks("/healthz/ready", new HealthCheckOptions { ResponseWriter = WriteAsync }).AllowAnonymous();
    }
}
