using System.Text;
using Dapr.Client.Autogen.Grpc.v1;

namespace Shop.Doctor;

/// <summary>Checks that sidecars are ready, and would become ready again after a restart.</summary>
internal static class ReadinessCheck
{
    private const string AllSidecars = "sidecars", HealthPath = "/v1.0/healthz", OutboundPath = "/v1.0/healthz/outbound";

    /// <summary>The first version that is ready only once it is connected to a scheduler, and reports to which.</summary>
    private static readonly Version NeedsScheduler = new(1, 15);

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(3) };

    public static async Task<SidecarHealth> ReadAsync(string appId, string address, CancellationToken ct)
    {
        var (health, outbound) = (GetAsync(address, HealthPath, ct), GetAsync(address, OutboundPath, ct));
        return new(appId, address, (await health).Status, (await health).Body, (await outbound).Status);
    }

    /// <param name="sidecars">Those whose gRPC API answers.</param>
    /// <param name="metadata">Of the same sidecars.</param>
    public static IEnumerable<CheckResult> Evaluate(IReadOnlyCollection<SidecarHealth> sidecars, IReadOnlyCollection<GetMetadataResponse> metadata)
    {
        foreach (var one in sidecars)
        {
            if (one.Health is null && one.Outbound is null)
            {
                yield return CheckResult.Warning($"{one.AppId} sidecar", "ready",
                    $"Its HTTP API does not answer at {one.Address}; whether it is ready was not checked.",
                    $"Say where its HTTP API is with --{one.AppId}-sidecar-http.");
            }
            else if (!one.CanBeCalled)
            {
                yield return CheckResult.Problem($"{one.AppId} sidecar", "ready",
                    $"{OutboundPath} says {FormatStatus(one.Outbound)}: its service can do nothing. {one.Body}".TrimEnd(),
                    "See its log: most often it waits for a component, such as the state store or the broker.");
            }
            else if (!one.IsReady && !LacksScheduler(one))
            {
                yield return CheckResult.Warning($"{one.AppId} sidecar", "ready",
                    $"{HealthPath} says {FormatStatus(one.Health)}, {OutboundPath} {one.Outbound}: {one.Body}",
                    "See its log. The shop's services need only the second.");
            }
        }

        var callable = sidecars.Where(one => one.CanBeCalled).ToArray();
        if (callable.Where(one => !one.IsReady && LacksScheduler(one)).Select(one => one.AppId).ToArray() is { Length: > 0 } lacking)
        {
            yield return CheckResult.Warning(AllSidecars, "scheduler",
                $"{string.Join(", ", lacking)}: reached none, so {HealthPath} says {callable.First(one => !one.IsReady).Health}; "
                    + $"{OutboundPath} says 204.",
                $"Nothing for the shop, which needs only {OutboundPath}. A probe of {HealthPath} never succeeds: "
                    + "use the other path, or start the scheduler (dapr init).");
        }
        else if (callable.Length > 0 && callable.All(one => one.IsReady))
        {
            var without = metadata.Where(one => ReportsScheduler(one) && one.Scheduler is not { ConnectedAddresses.Count: > 0 })
                .Select(one => one.Id).ToArray();
            if (without.Length > 0)
            {
                yield return CheckResult.Warning(AllSidecars, "scheduler",
                    $"{string.Join(", ", without)}: connected to none. They are ready; "
                        + $"one that is started now does not become ready by {HealthPath}.",
                    $"Nothing for the shop, which needs only {OutboundPath}; for a probe of {HealthPath}, start the scheduler (dapr init).");
            }
            else yield return CheckResult.Ok(AllSidecars, "ready", $"{HealthPath} and {OutboundPath}");
        }
    }

    private static bool LacksScheduler(SidecarHealth one) => one.Body.Contains("scheduler", StringComparison.OrdinalIgnoreCase);

    private static bool ReportsScheduler(GetMetadataResponse metadata) =>
        Version.TryParse(metadata.RuntimeVersion.TrimStart('v').Split('-')[0], out var version) && version >= NeedsScheduler;

    private static string FormatStatus(int? status) => status?.ToString() ?? "nothing";

    private static async Task<(int? Status, string Body)> GetAsync(string address, string path, CancellationToken ct)
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri(new(address), path), ct);
            // Whatever charset it says: another program may answer there.
            return ((int)answer.StatusCode, Encoding.UTF8.GetString(await answer.Content.ReadAsByteArrayAsync(ct)).Trim());
        }
        catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return (null, "");
        }
    }
}
