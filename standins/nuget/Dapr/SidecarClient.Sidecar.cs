using Grpc.Core;

namespace Dapr.Client;

internal sealed partial class SidecarClient
{
    private static readonly TimeSpan BetweenHealthChecks = TimeSpan.FromMilliseconds(500);

    public override Task<bool> CheckHealthAsync(CancellationToken cancellationToken = default) =>
        AnswersAsync("/v1.0/healthz", cancellationToken);

    public override Task<bool> CheckOutboundHealthAsync(CancellationToken cancellationToken = default) =>
        AnswersAsync("/v1.0/healthz/outbound", cancellationToken);

    public override async Task WaitForSidecarAsync(CancellationToken cancellationToken = default)
    {
        while (!await CheckOutboundHealthAsync(cancellationToken).ConfigureAwait(false))
        {
            await Task.Delay(BetweenHealthChecks, cancellationToken).ConfigureAwait(false);
        }
    }

    public override async Task<DaprMetadata> GetMetadataAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            var response = await sidecar.GetMetadataAsync(new(), Options(cancellationToken)).ConfigureAwait(false);
            return new(
                response.Id,
                [.. (response.ActorRuntime?.ActiveActors ?? []).Select(actor => new DaprActorMetadata(actor.Type, actor.Count))],
                new Dictionary<string, string>(response.ExtendedMetadata),
                [.. response.RegisteredComponents.Select(component => new DaprComponentsMetadata(
                    component.Name, component.Type, component.Version, [.. component.Capabilities]))]);
        }
        catch (RpcException e)
        {
            throw Failed("Get metadata", e);
        }
    }

    private async Task<bool> AnswersAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                .ConfigureAwait(false);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
