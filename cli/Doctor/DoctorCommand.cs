using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dapr.Client.Autogen.Grpc.v1;
using Shop.V1;
using Spectre.Console;
using YamlDotNet.Core;

namespace Shop.Doctor;

/// <summary>Checks services, sidecars, store and broker, and prints what is wrong and what to do.</summary>
internal static class DoctorCommand
{
    private static readonly JsonSerializerOptions AsJson = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static Command Command()
    {
        Option<string>[] sidecars =
        [
            CommandLine.Address("--orders-sidecar", "Orders' sidecar", 50001),
            CommandLine.Address("--stock-sidecar", "Stock's sidecar", 50002),
            CommandLine.Address("--payments-sidecar", "Payments' sidecar", 50003),
            CommandLine.Address("--coupons-sidecar", "Coupons' sidecar", 50004), .. AddedParticipants.Here.Select(one => one.Sidecar),
        ];
        Option<string>[] httpApis =
        [
            CommandLine.Address("--orders-sidecar-http", "Orders' sidecar, its HTTP API", 3501),
            CommandLine.Address("--stock-sidecar-http", "Stock's sidecar, its HTTP API", 3502),
            CommandLine.Address("--payments-sidecar-http", "Payments' sidecar, its HTTP API", 3503),
            CommandLine.Address("--coupons-sidecar-http", "Coupons' sidecar, its HTTP API", 3504), .. AddedParticipants.Here.Select(one => one.SidecarHttp),
        ];
        var components = new Option<string>("--components")
        {
            Description = "The folder of Dapr's component files.",
            // ./shop sets it to the folder that ./run.sh has used last.
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable("SHOP_COMPONENTS") is { Length: > 0 } folder ? folder : "components",
            Validators =
            {
                result =>
                {
                    if (string.IsNullOrWhiteSpace(result.GetValueOrDefault<string>())) result.AddError("--components must be a folder, such as components.");
                },
            },
        };
        var doctor = new Command("doctor", """
            Check services, their sweeps and dead letters, sidecars, state store and broker, and print what is wrong and what to do. The store is
            tried through each sidecar, with a document of its own; a Redis is also asked directly. Exits with 1 when orders fail, wait or are lost
            because of it, with 3 when no service answers.

              shop doctor
              shop doctor --json | jq '.[] | select(.verdict != "ok")'
            """) { components };
        foreach (var sidecar in sidecars.Concat(httpApis)) doctor.Add(sidecar);
        return doctor.SetHandler(async context =>
        {
            var results = await RunAsync(
                context.Shop, [.. sidecars.Select(context.GetValue).Zip(httpApis.Select(context.GetValue))],
                context.GetValue(components), context.CancellationToken);
            if (context.Json) Console.WriteLine(JsonSerializer.Serialize(results, AsJson));
            else Print(results);
            return results.All(result => result.Severity != Severity.Problem) ? ExitCode.Done
                : results.Any(result => result.Check == ServiceCheck.Health) ? ExitCode.Refused
                : ExitCode.Unreachable;
        });
    }

    /// <param name="Sidecar">Null: it does not answer.</param>
    /// <param name="Health">Null: the sidecar does not answer.</param>
    /// <param name="Version">Null: the service does not answer. Empty: unknown.</param>
    private sealed record ServiceResults(
        string Service, IReadOnlyList<CheckResult> Results, GetMetadataResponse? Sidecar, SidecarHealth? Health, string? Version);

    /// <param name="sidecars">Addresses of the sidecars, in the order of the services.</param>
    /// <param name="components">The folder of component files.</param>
    public static async Task<IReadOnlyList<CheckResult>> RunAsync(
        ShopClients shop, IReadOnlyList<(string Grpc, string Http)> sidecars, string components, CancellationToken ct)
    {
        var checks = await Task.WhenAll(shop.Services.Select((service, at) => CheckAsync(service, shop.DeadLetters[at], sidecars[at], ct)));
        var answered = checks.Select(one => one.Sidecar).OfType<GetMetadataResponse>().ToArray();
        List<CheckResult> results = [.. checks.SelectMany(one => one.Results)];
        // An added participant may be built from the package, of another version.
        if (VersionCheck.Evaluate(from one in checks.Take(ShopClients.AppIds.Count) where one.Version is not null select (one.Service, one.Version)) is { } builds) results.Add(builds);
        if (SidecarCheck.EvaluateVersions(answered) is { } versions) results.Add(versions);
        results.AddRange(ReadinessCheck.Evaluate([.. checks.Select(one => one.Health).OfType<SidecarHealth>()], answered));
        var stores = StoreCheck.Create(answered);
        if (!stores.IsEmbedded) results.AddRange(await CheckFilesAsync(components, stores));
        return results;
    }

    private static async Task<ServiceResults> CheckAsync(
        ServiceEndpoint service, DeadLetterService.DeadLetterServiceClient letters, (string Grpc, string Http) sidecar, CancellationToken ct)
    {
        var (results, wanted, version) = await ServiceCheck.RunAsync(service, letters, ct);
        List<CheckResult> all = [.. results];
        if (await SidecarCheck.ReadAsync(service, sidecar.Grpc, all, ct) is not { } metadata) return new(service.Name, all, null, null, version);
        all.AddRange(SidecarCheck.Evaluate(service, metadata, wanted));
        if (await SidecarCheck.ProbeStoreAsync(service, sidecar.Grpc, metadata, ct) is { } probed) all.Add(probed);
        return new(service.Name, all, metadata, await ReadinessCheck.ReadAsync(service.AppId, sidecar.Http, ct), version);
    }

    private static async Task<IEnumerable<CheckResult>> CheckFilesAsync(string folder, StoreCheck stores)
    {
        try
        {
            var files = ComponentFiles.Read(folder);
            IReadOnlyList<RedisEndpoint> endpoints = stores.HasRedis ? files.Redis : [];
            var redis = await Task.WhenAll(endpoints.Select(RedisCheck.RunAsync));
            return
            [
                files.RetriesDeliveries
                    ? CheckResult.Ok(folder, "resiliency", "failed deliveries of the broker are retried")
                    : CheckResult.Problem(folder, "resiliency", "No policy retries failed deliveries of the component pubsub.",
                        "Give targets.components.pubsub.inbound a retry in resiliency.yaml."),
                .. files.FindHazards(),
                .. redis.SelectMany(result => result),
                .. stores.Describe(endpoints.Count),
            ];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or YamlException)
        {
            return
            [
                CheckResult.Warning(folder, "files", $"They cannot be read: {fault.Message}",
                    "Give the folder of Dapr's component files as --components: settings that lose orders are in them, and the address of a Redis."),
                .. stores.WithoutRedis.Describe(0),
            ];
        }
    }

    private static void Print(IReadOnlyList<CheckResult> results)
    {
        Terminal.WriteGrid(["verdict", "of", "what", "seen"], [.. results.Select(result =>
        {
            var (mark, color) = result.Severity switch
            {
                Severity.Ok => ("ok", Color.Green),
                Severity.Warning => ("warning", Color.Yellow),
                Severity.Problem => ("PROBLEM", Color.Red),
            };
            return (IReadOnlyList<Cell>)
            [
                new Cell([mark], color), result.Subject, result.Check,
                new Cell(result.Advice.Length == 0 ? [result.Observed] : [result.Observed, $"→ {result.Advice}"]),
            ];
        })], "seen");
        int Count(Severity verdict) => results.Count(result => result.Severity == verdict);
        Terminal.WriteLine($"{results.Count} looked at: {Count(Severity.Ok)} ok, {Count(Severity.Warning)} warnings, {Count(Severity.Problem)} problems.");
    }
}
