using Grpc.Core;
using Grpc.Health.V1;

namespace Shop;

/// <summary>Which services do not answer, or cannot do anything because their sidecar does not.</summary>
internal static class Absence
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <returns>A sentence for each, which names it and its address. None: all four are ready.</returns>
    public static async Task<IReadOnlyList<string>> OfAsync(ShopClients shop, CancellationToken stop) =>
        [.. (await Task.WhenAll(shop.Services.Select(service => OfAsync(service, stop)))).OfType<string>()];

    /// <param name="services">By name, such as "Stock"; only these are asked.</param>
    public static async Task<IReadOnlyList<string>> OfAsync(ShopClients shop, IEnumerable<string> services, CancellationToken stop)
    {
        var asked = services.ToHashSet();
        return [.. (await Task.WhenAll(shop.Services.Where(service => asked.Contains(service.Name)).Select(service => OfAsync(service, stop)))).OfType<string>()];
    }

    private static async Task<string?> OfAsync(ReachedService service, CancellationToken stop)
    {
        try
        {
            var health = await new Health.HealthClient(service.Channel).CheckAsync(new(), deadline: DateTime.UtcNow + Patience, cancellationToken: stop);
            return health.Status == HealthCheckResponse.Types.ServingStatus.Serving ? null
                : $"{service.Name} at {service.Address} is not ready: its sidecar does not answer, or is not ready itself.";
        }
        catch (RpcException) when (!stop.IsCancellationRequested)
        {
            return $"{service.Name} at {service.Address} does not answer. Start it (./run.sh starts all), or say where it is with --{service.AppId}.";
        }
    }
}
