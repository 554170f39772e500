using System.Net;
using System.Text;

namespace Shop.Doctor;

/// <summary>Reads a page of a service, such as its metrics.</summary>
internal static class ServicePage
{
    public const string Metrics = "/metrics", Readiness = "/healthz/ready";

    // The gRPC port speaks HTTP/2 only.
    private static readonly HttpClient Http = new()
    {
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = TimeSpan.FromSeconds(3),
    };

    /// <returns>Its text, whatever its status; the service is not ready with status 503. Empty: no answer.</returns>
    public static async Task<string> ReadAsync(ServiceEndpoint service, string path, CancellationToken ct)
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri(new(service.Address), path), ct);
            return answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable
                // Whatever charset it says: another program may answer there.
                ? Encoding.UTF8.GetString(await answer.Content.ReadAsByteArrayAsync(ct)) : "";
        }
        catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return "";
        }
    }
}
