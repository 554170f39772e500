using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dapr.Client.Autogen.Grpc.v1;
using Shop.V1;
using Spectre.Console;
using YamlDotNet.Core;

namespace Shop.Doctor;

/// <summary>Looks at everything that the shop stands on, and says what is wrong and what to do.</summary>
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
            CommandLine.Address("--orders-sidecar", "Orders' sidecar", 50001), CommandLine.Address("--stock-sidecar", "Stock's sidecar", 50002),
            CommandLine.Address("--payments-sidecar", "Payments' sidecar", 50003),
            CommandLine.Address("--coupons-sidecar", "Coupons' sidecar", 50004),
        ];
        Option<string>[] https =
        [
            CommandLine.Address("--orders-sidecar-http", "Orders' sidecar, its HTTP API", 3501), CommandLine.Address("--stock-sidecar-http", "Stock's sidecar, its HTTP API", 3502),
            CommandLine.Address("--payments-sidecar-http", "Payments' sidecar, its HTTP API", 3503),
            CommandLine.Address("--coupons-sidecar-http", "Coupons' sidecar, its HTTP API", 3504),
        ];
        var components = new Option<string>("--components") { Description = "The folder of Dapr's component files, which say where Redis is.", DefaultValueFactory = _ => "components" };
        var doctor = new Command("doctor", """
            Look at services, their sweeps and dead letters, sidecars and Redis, and say what is wrong and what to do. Exits with 1 when orders
            fail, wait or are lost by it, with 3 when no service is there.

              shop doctor
              shop doctor --json | jq '.[] | select(.verdict != "ok")'
            """) { components };
        foreach (var sidecar in sidecars.Concat(https)) doctor.Add(sidecar);
        return doctor.Does(async call =>
        {
            var found = await ExamineAsync(call.Shop, [.. sidecars.Select(call.Of).Zip(https.Select(call.Of))], call.Of(components), call.Stop);
            if (call.Json) Console.WriteLine(JsonSerializer.Serialize(found, AsJson));
            else Print(found);
            return found.All(about => about.Verdict != Verdict.Problem) ? ExitCode.Done
                : found.Any(about => about.What == ServiceExam.Health) ? ExitCode.Refused
                : ExitCode.Unreachable;
        });
    }

    /// <param name="sidecars">Of Orders, Stock, Payments, Coupons.</param>
    public static async Task<IReadOnlyList<Diagnosis>> ExamineAsync(
        ShopClients shop, IReadOnlyList<(string Grpc, string Http)> sidecars, string components, CancellationToken stop)
    {
        var examined = await Task.WhenAll(shop.Services.Select((service, at) => ExamineAsync(service, shop.DeadLetters[at], sidecars[at], stop)));
        var answered = examined.Select(one => one.Sidecar).OfType<GetMetadataResponse>().ToArray();
        List<Diagnosis> found = [.. examined.SelectMany(one => one.Found)];
        if (VersionExam.Of(from one in examined where one.Version is not null select (one.Service, one.Version)) is { } builds) found.Add(builds);
        if (SidecarExam.Versions(answered) is { } versions) found.Add(versions);
        found.AddRange(ReadyExam.Of([.. examined.Select(one => one.Health).OfType<SidecarHealth>()], answered));
        var stores = StoreExam.Of(answered);
        if (!stores.IsEmbedded) found.AddRange(await OfFilesAsync(components, stores));
        return found;
    }

    /// <returns>Sidecar and Health are null where the sidecar does not answer.</returns>
    private static async Task<(string Service, IReadOnlyList<Diagnosis> Found, GetMetadataResponse? Sidecar, SidecarHealth? Health, string? Version)> ExamineAsync(
        ReachedService service, DeadLetterService.DeadLetterServiceClient letters, (string Grpc, string Http) sidecar, CancellationToken stop)
    {
        var (found, wants, version) = await ServiceExam.ExamineAsync(service, letters, stop);
        List<Diagnosis> all = [.. found];
        if (await SidecarExam.AskAsync(service, sidecar.Grpc, all, stop) is not { } said) return (service.Name, all, null, null, version);
        all.AddRange(SidecarExam.Of(service, said, wants));
        return (service.Name, all, said, await ReadyExam.AskAsync(service.AppId, sidecar.Http, stop), version);
    }

    private static async Task<IEnumerable<Diagnosis>> OfFilesAsync(string folder, StoreExam stores)
    {
        try
        {
            var files = ComponentFiles.Read(folder);
            IReadOnlyList<RedisPlace> places = stores.HasRedis ? files.Redis : [];
            var redis = await Task.WhenAll(places.Select(RedisExam.ExamineAsync));
            return
            [
                files.RetriesDeliveries
                    ? Diagnosis.Ok(folder, "resiliency", "failed deliveries of the broker are tried again")
                    : Diagnosis.Problem(folder, "resiliency", "No policy tries failed deliveries of the component pubsub again.",
                        "Give targets.components.pubsub.inbound a retry in resiliency.yaml."),
                .. redis.SelectMany(about => about),
                .. stores.NotLookedAt(places.Count),
            ];
        }
        catch (Exception unread) when (unread is IOException or UnauthorizedAccessException or YamlException)
        {
            return
            [
                Diagnosis.Warning(folder, "files", $"They cannot be read: {unread.Message}", "Say with --components where Dapr's component files are: they say where Redis is."),
                .. (stores with { Types = [.. stores.Types.Where(component => !component.Type.EndsWith(".redis", StringComparison.Ordinal))] }).NotLookedAt(0),
            ];
        }
    }

    private static void Print(IReadOnlyList<Diagnosis> found)
    {
        var grid = new Grid().AddColumns(4);
        foreach (var about in found)
        {
            var (mark, color) = about.Verdict switch
            {
                Verdict.Ok => ("ok", Color.Green),
                Verdict.Warning => ("warning", Color.Yellow),
                Verdict.Problem => ("PROBLEM", Color.Red),
            };
            grid.AddRow(new Text(mark, color), new Text(about.Of), new Text(about.What),
                new Text(about.Advice.Length == 0 ? about.Seen : $"{about.Seen}\n→ {about.Advice}"));
        }
        AnsiConsole.Write(grid);
        int Count(Verdict verdict) => found.Count(about => about.Verdict == verdict);
        AnsiConsole.WriteLine($"{found.Count} looked at: {Count(Verdict.Ok)} ok, {Count(Verdict.Warning)} warnings, {Count(Verdict.Problem)} problems.");
    }
}
