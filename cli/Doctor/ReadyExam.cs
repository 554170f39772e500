using Dapr.Client.Autogen.Grpc.v1;

namespace Shop.Doctor;

/// <summary>What a sidecar's HTTP API says of its health.</summary>
/// <param name="Whole">The status of /v1.0/healthz. Null: nobody answers.</param>
/// <param name="Why">What it says beside it.</param>
/// <param name="Outbound">The status of /v1.0/healthz/outbound, which is all that the shop's services need. Null: nobody answers.</param>
internal sealed record SidecarHealth(string AppId, string Address, int? Whole, string Why, int? Outbound)
{
    public bool IsReady => Whole is >= 200 and < 300;

    public bool CanBeCalled => Outbound is >= 200 and < 300;
}

/// <summary>Whether sidecars are ready, and would be again if they were started now.</summary>
internal static class ReadyExam
{
    private const string OfAll = "sidecars", WholePath = "/v1.0/healthz", OutboundPath = "/v1.0/healthz/outbound";

    /// <summary>From this version on a sidecar is ready only once it has reached a scheduler, and says which it has.</summary>
    private static readonly Version NeedsScheduler = new(1, 15);

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(3) };

    public static async Task<SidecarHealth> AskAsync(string appId, string address, CancellationToken stop)
    {
        var (whole, outbound) = (GetAsync(address, WholePath, stop), GetAsync(address, OutboundPath, stop));
        return new(appId, address, (await whole).Status, (await whole).Body, (await outbound).Status);
    }

    /// <param name="asked">Of those that have answered <paramref name="said"/>.</param>
    /// <param name="said">Their metadata.</param>
    public static IEnumerable<Diagnosis> Of(IReadOnlyCollection<SidecarHealth> asked, IReadOnlyCollection<GetMetadataResponse> said)
    {
        foreach (var one in asked)
        {
            if (one.Whole is null && one.Outbound is null)
            {
                yield return Diagnosis.Warning($"{one.AppId} sidecar", "ready", $"Its HTTP API does not answer at {one.Address}; whether it is ready was not looked at.",
                    $"Say where its HTTP API is with --{one.AppId}-sidecar-http.");
            }
            else if (!one.CanBeCalled)
            {
                yield return Diagnosis.Problem($"{one.AppId} sidecar", "ready", $"{OutboundPath} says {Told(one.Outbound)}: its service can do nothing. {one.Why}".TrimEnd(),
                    "See its log: most often it waits for a component, such as the store or the broker.");
            }
            else if (!one.IsReady && !LacksScheduler(one))
            {
                yield return Diagnosis.Warning($"{one.AppId} sidecar", "ready", $"{WholePath} says {Told(one.Whole)}, {OutboundPath} {one.Outbound}: {one.Why}",
                    "See its log. The shop's services need only the second.");
            }
        }

        var callable = asked.Where(one => one.CanBeCalled).ToArray();
        if (callable.Where(one => !one.IsReady && LacksScheduler(one)).Select(one => one.AppId).ToArray() is { Length: > 0 } lacking)
        {
            yield return Diagnosis.Warning(OfAll, "scheduler", $"{string.Join(", ", lacking)}: reached none, so {WholePath} says {callable.First(one => !one.IsReady).Whole}; {OutboundPath} says 204.",
                $"Nothing for the shop, which needs only {OutboundPath}. What waits for {WholePath} waits for ever: let it ask the other, or start the scheduler (dapr init).");
        }
        else if (callable.Length > 0 && callable.All(one => one.IsReady))
        {
            var without = said.Where(one => Tells(one) && one.Scheduler is not { ConnectedAddresses.Count: > 0 }).Select(one => one.Id).ToArray();
            if (without.Length > 0)
            {
                yield return Diagnosis.Warning(OfAll, "scheduler", $"{string.Join(", ", without)}: connected to none. They are ready; one that is started now does not get ready by {WholePath}.",
                    $"Nothing for the shop, which needs only {OutboundPath}; for what waits for {WholePath}, start the scheduler (dapr init).");
            }
            else yield return Diagnosis.Ok(OfAll, "ready", $"{WholePath} and {OutboundPath}");
        }
    }

    private static bool LacksScheduler(SidecarHealth one) => one.Why.Contains("scheduler", StringComparison.OrdinalIgnoreCase);

    private static bool Tells(GetMetadataResponse said) => Version.TryParse(said.RuntimeVersion.TrimStart('v').Split('-')[0], out var version) && version >= NeedsScheduler;

    private static string Told(int? status) => status?.ToString() ?? "nothing";

    private static async Task<(int? Status, string Body)> GetAsync(string address, string path, CancellationToken stop)
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri(new(address), path), stop);
            return ((int)answer.StatusCode, (await answer.Content.ReadAsStringAsync(stop)).Trim());
        }
        catch (Exception silent) when (silent is HttpRequestException or OperationCanceledException && !stop.IsCancellationRequested)
        {
            return (null, "");
        }
    }
}
