using System.Net;

namespace Shop.Doctor;

/// <summary>Reads the metrics of a service.</summary>
internal static class MetricsPage
{
    // The gRPC port speaks HTTP/2 only.
    private static readonly HttpClient Http = new()
    {
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = TimeSpan.FromSeconds(3),
    };

    /// <returns>In the text format of Prometheus. Empty: no answer.</returns>
    public static async Task<string> ReadAsync(ServiceEndpoint service, CancellationToken ct)
    {
        try
        {
            return await Http.GetStringAsync(new Uri(new(service.Address), "/metrics"), ct);
        }
        catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return "";
        }
    }
}
