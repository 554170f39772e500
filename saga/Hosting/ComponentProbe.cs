using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Telemetry;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Hosting;

/// <summary>Asks the sidecar whose it is and which components it has loaded, and names the file and the field of one that is missing or unfit.</summary>
internal sealed class ComponentProbe(DaprApi.DaprClient api, AppId app, ILogger<ComponentProbe> log)
{
    private bool hasPassed;
    private string? reported;

    /// <summary>Asks until the components have been found fit once.</summary>
    /// <returns>What is wrong, in a sentence, which is also logged. Null: nothing.</returns>
    public async Task<string?> FindProblemAsync(CancellationToken ct)
    {
        if (hasPassed) return null;
        GetMetadataResponse metadata;
        try
        {
            metadata = await api.GetMetadataAsync(new GetMetadataRequest(), cancellationToken: ct);
        }
        catch (RpcException fault)
        {
            return $"The sidecar does not say which components it has: {fault.Status.Detail}";
        }
        var problem = metadata.Id != app.Name
            ? $"The sidecar is that of '{metadata.Id}', and this service is '{app.Name}' (SagaHost.CreateBuilder): give both the same app id, or let DAPR_GRPC_PORT "
                + $"name the sidecar of '{app.Name}'."
            : Check(metadata, DaprSidecar.StateStore, "state.") ?? Check(metadata, DaprSidecar.PubSub, "pubsub.");
        hasPassed = problem is null;
        if (problem is not null && problem != reported) SagaLog.StoreUnfit(log, problem);
        reported = problem;
        return problem;
    }

    private string? Check(GetMetadataResponse metadata, string name, string kind)
    {
        var file = $"components/{name}.yaml";
        if (metadata.RegisteredComponents.FirstOrDefault(component => component.Name == name) is not { } found)
        {
            return $"The sidecar has no component '{name}': see that it is started with --resources-path components, and that in {file} "
                + $"metadata.name is '{name}' and scopes has '{app.Name}'.";
        }
        if (!found.Type.StartsWith(kind, StringComparison.Ordinal))
        {
            return $"The component '{name}' is a {found.Type}: spec.type in {file} must be a {kind}*, such as {kind}redis.";
        }
        return kind == "state." && !found.Capabilities.Contains("ETAG")
            ? $"The component '{name}' is a {found.Type}, which cannot compare ETags: spec.type in {file} must be a store that can, such as state.redis."
            : null;
    }
}
