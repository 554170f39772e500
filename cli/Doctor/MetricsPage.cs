using System.Net;

namespace Shop.Doctor;

/// <summary>What a service counts, in Prometheus' text.</summary>
internal static class MetricsPage
{
    // The gRPC port speaks HTTP/2 only.
    private static readonly HttpClient Http = new()
    {
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = TimeSpan.FromSeconds(3),
    };

    /// <returns>Empty: it does not say.</returns>
    public static async Task<string> ReadAsync(ReachedService service, CancellationToken stop)
    {
        try
        {
            return await Http.GetStringAsync(new Uri(new(service.Address), "/metrics"), stop);
        }
        catch (Exception silent) when (silent is HttpRequestException or OperationCanceledException && !stop.IsCancellationRequested)
        {
            return "";
        }
    }
}
