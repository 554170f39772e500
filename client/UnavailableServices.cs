using Grpc.Core;
using Grpc.Health.V1;

namespace Shop;

/// <summary>Finds the services that do not answer or are not ready.</summary>
public static class UnavailableServices
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    /// <summary>Checks the health of all services.</summary>
    /// <param name="cancellationToken">Ends the check with an <see cref="RpcException"/>.</param>
    /// <returns>A sentence for each that is not ready, with its name and address. Empty: all are ready.</returns>
    public static Task<IReadOnlyList<string>> DescribeAsync(ShopClients shop, CancellationToken cancellationToken) =>
        DescribeAsync(shop, shop.Services.Select(service => service.Name), cancellationToken);

    /// <summary>Checks the health of some services.</summary>
    /// <param name="services">Their names, such as "Stock"; duplicates are allowed.</param>
    /// <param name="cancellationToken">Ends the check with an <see cref="RpcException"/>.</param>
    /// <returns>A sentence for each of them that is not ready.</returns>
    public static async Task<IReadOnlyList<string>> DescribeAsync(ShopClients shop, IEnumerable<string> services, CancellationToken cancellationToken)
    {
        var names = services.ToHashSet();
        var checks = shop.Services.Where(service => names.Contains(service.Name)).Select(service => DescribeAsync(service, cancellationToken));
        return [.. (await Task.WhenAll(checks)).OfType<string>()];
    }

    /// <returns>Null: it is ready.</returns>
    private static async Task<string?> DescribeAsync(ServiceEndpoint service, CancellationToken cancellationToken)
    {
        try
        {
            var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + Timeout;
            var health = await new Health.HealthClient(service.Channel).CheckAsync(new(), deadline: deadline, cancellationToken: cancellationToken);
            return health.Status == HealthCheckResponse.Types.ServingStatus.Serving ? null
                : $"{service.Name} at {service.Address} is not ready: its sidecar does not answer, or is not ready itself.";
        }
        catch (RpcException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"{service.Name} at {service.Address} does not answer. Start it (./run.sh starts all), or say where it is with --{service.AppId}.";
        }
    }
}
