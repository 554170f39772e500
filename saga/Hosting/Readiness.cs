using Dapr.Client;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Saga.Dapr;
using Saga.Messaging;
using Saga.State;
using Saga.Telemetry;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Hosting;

/// <summary>
/// Ready: the sidecar can be called and will deliver events, has the components, its state store keeps ETags, and the process is not stopping. Checks
/// /v1.0/healthz/outbound and the subscriptions, not /v1.0/healthz, which also waits for the scheduler: the shop does not use it, and it is absent after
/// `dapr init --slim`.
/// </summary>
internal sealed class Readiness(
    DaprClient dapr, DaprApi.DaprClient api, Subscriptions subscriptions, SubscriptionDiscovery discovery, ComponentProbe components, StoreProbe store,
    IHostApplicationLifetime lifetime) : IHealthCheck
{
    /// <summary>A sidecar that takes longer counts as not answering.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var untraced = SagaTracing.Suppress();
        var problem = await FindProblemAsync(cancellationToken);
        return problem is null ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy(problem);
    }

    /// <returns>A sentence. Null: ready.</returns>
    private async Task<string?> FindProblemAsync(CancellationToken ct)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested) return "The service is stopping.";
        if (!await IsOutboundHealthyAsync(ct)) return "The sidecar does not answer, or is not ready.";
        try
        {
            // An app without subscriptions and documents, such as the console, has no access to the components.
            if (subscriptions.Topics.Count > 0 && (await components.FindProblemAsync(ct) ?? await store.FindProblemAsync(ct)) is { } problem) return problem;
        }
        catch (Exception fault) when (Faults.IsTransient(fault))
        {
            return $"The state store '{DaprSidecar.StateStore}' does not answer: {Faults.GetCause(fault)}";
        }
        return discovery.IsRead || await IsSubscribedAsync(ct) ? null : "The sidecar has not asked for the subscriptions yet: no event would be delivered.";
    }

    private async Task<bool> IsOutboundHealthyAsync(CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Timeout);
        try
        {
            return await dapr.CheckOutboundHealthAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>A sidecar that outlives the process delivers to its successor without asking for the subscriptions again.</summary>
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
