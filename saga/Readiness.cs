using Dapr.Client;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga;

/// <summary>Whether the sidecar has asked this process for its subscriptions.</summary>
internal sealed class SubscriptionProbe
{
    private volatile bool read;

    public bool IsRead => read;

    public void SubscriptionsRead() => read = true;
}

/// <summary>
/// Ready means: the sidecar can be called, and events will be delivered. /v1.0/healthz says more than that: it also waits for a scheduler, which
/// nothing here needs and which is absent after `dapr init --slim`. So the outbound health is asked, and the subscriptions are looked at.
/// </summary>
internal sealed class Readiness(DaprClient dapr, DaprApi.DaprClient api, Subscriptions subscriptions, SubscriptionProbe probe) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var untraced = SagaTracing.Suppress();
        if (!await dapr.CheckOutboundHealthAsync(cancellationToken)) return HealthCheckResult.Unhealthy("The sidecar does not answer, or is not ready.");
        return probe.IsRead || await IsSubscribedAsync(cancellationToken)
            ? HealthCheckResult.Healthy()
            : HealthCheckResult.Unhealthy("The sidecar has not asked for the subscriptions yet: no event would be delivered.");
    }

    /// <summary>A sidecar that outlives the process does not ask the next one again, and delivers to it all the same.</summary>
    private async Task<bool> IsSubscribedAsync(CancellationToken ct)
    {
        try
        {
            var metadata = await api.GetMetadataAsync(new GetMetadataRequest(), cancellationToken: ct);
            return subscriptions.Topics.All(topic => metadata.Subscriptions.Any(one => one.PubsubName == DaprSidecar.PubSub && one.Topic == topic));
        }
        catch (RpcException)
        {
            return false;
        }
    }
}

/// <summary>The two questions an orchestrator asks: over gRPC by health name ("" is readiness), over HTTP by path.</summary>
internal static class HealthEndpoints
{
    /// <summary>SERVING for as long as the process answers: a restart would not help a service whose sidecar is away.</summary>
    public const string Liveness = "liveness";

    public static void AddHealth(this IServiceCollection services)
    {
        services.AddSingleton<SubscriptionProbe>();
        services.AddGrpcHealthChecks(health => health.Services.Map(Liveness, check => check.Name == Liveness))
            .AddCheck(Liveness, () => HealthCheckResult.Healthy()).AddCheck<Readiness>("sidecar");
    }

    public static void MapHealth(this WebApplication app)
    {
        app.MapGrpcHealthChecksService();
        app.MapHealthChecks("/healthz/live", new HealthCheckOptions { Predicate = check => check.Name == Liveness });
        app.MapHealthChecks("/healthz/ready");
    }
}
