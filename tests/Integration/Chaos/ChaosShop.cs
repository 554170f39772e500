using System.Text.RegularExpressions;
using Shop;

namespace Integration.Chaos;

/// <summary>
/// The whole shop as processes that can be killed one by one: a Redis that persists every write, one or more instances of each service, and the
/// sidecar of each. Timeouts are short to keep runs short.
/// </summary>
internal sealed class ChaosShop : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(15);
    public static readonly TimeSpan SweepPeriod = TimeSpan.FromSeconds(1);

    /// <summary>An event that is not acknowledged for this time is redelivered.</summary>
    public static readonly TimeSpan ProcessingTimeout = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ResendAfter = TimeSpan.FromSeconds(2);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("chaos-");
    private readonly int redisPort = FreePort.Take();
    private readonly Dictionary<Supervised, string> appIds = [];
    private readonly Dictionary<Supervised, string> addresses = [];
    private readonly TimeSpan deadline;
    private readonly TimeSpan? drainDelay;
    private string? bin;

    private ChaosShop(TimeSpan deadline, TimeSpan? drainDelay, string? bin)
    {
        (this.deadline, this.drainDelay, this.bin) = (deadline, drainDelay, bin);
        Redis = new("redis", StartRedis);
        WriteComponents();
    }

    public Supervised Redis { get; }

    public string RedisAddress => $"127.0.0.1:{redisPort}";

    public List<Supervised> Services { get; } = [];

    public List<Supervised> Sidecars { get; } = [];

    /// <summary>Number of instances of Orders, Stock, Payments and Coupons.</summary>
    public IReadOnlyList<int> Instances { get; private set; } = [];

    public IEnumerable<Supervised> All => [Redis, .. Services, .. Sidecars];

    /// <summary>Clients that call the services directly. They differ in the instances that they call.</summary>
    public IReadOnlyList<ShopClients> AllClients { get; private set; } = [];

    public ShopClients Clients => AllClients[0];

    /// <summary>The folder in which its sidecars resolve each other's names.</summary>
    public string NamesFolder => Path.Combine(folder.FullName, "names");

    /// <summary>HTTP address of the last instance of Orders.</summary>
    public string OrdersHttp { get; private set; } = "";

    /// <param name="instances">Number of instances of Orders, Stock, Payments and Coupons.</param>
    /// <param name="deadline">Of an order.</param>
    /// <param name="drainDelay">As Saga:DrainDelay. Null: its default.</param>
    /// <param name="bin">The folder artifacts/bin of another build, whose services are started. Null: this one.</param>
    public static async Task<ChaosShop> OpenAsync(IReadOnlyList<int> instances, TimeSpan deadline, TimeSpan? drainDelay = null, string? bin = null)
    {
        var shop = new ChaosShop(deadline, drainDelay, bin);
        try
        {
            await shop.Redis.Now.LineAsync("Ready to accept connections");
            shop.Instances = instances;
            var addressesByService = new[] { "Orders", "Stock", "Payments", "Coupons" }
                .Zip(instances, (project, count) => Enumerable.Range(1, count).Select(number => shop.AddService(project, number)).ToArray()).ToArray();
            string SelectAddress(int client, int service) => addressesByService[service][client % addressesByService[service].Length];
            shop.AllClients =
            [
                .. Enumerable.Range(0, instances.Max()).Select(client => new ShopClients(
                    SelectAddress(client, 0), SelectAddress(client, 1), SelectAddress(client, 2), SelectAddress(client, 3))),
            ];
            await shop.WaitUntilReadyAsync();
            return shop;
        }
        catch
        {
            await shop.DisposeAsync();
            throw;
        }
    }

    public async Task WaitUntilReadyAsync()
    {
        foreach (var clients in AllClients) await clients.WaitUntilReadyAsync(TimeSpan.FromSeconds(90), default);
    }

    /// <summary>The app id of a sidecar, which is also its consumer group; all instances of a service share it.</summary>
    public string GetAppId(Supervised sidecar) => appIds[sidecar];

    public Supervised GetService(Supervised sidecar) => Services[Sidecars.IndexOf(sidecar)];

    public string GetAddress(Supervised service) => addresses[service];

    /// <summary>Services that are restarted from now on are of this build.</summary>
    public void Upgrade() => bin = null;

    public async ValueTask DisposeAsync()
    {
        foreach (var process in All.Reverse()) await process.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private ChildProcess StartRedis() => ChildProcess.Start("redis-server",
        ["--port", $"{redisPort}", "--bind", "127.0.0.1", "--dir", folder.FullName, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);

    /// <returns>The address of the service.</returns>
    private string AddService(string project, int number)
    {
        var (appPort, httpPort, daprGrpcPort, daprHttpPort) = (FreePort.Take(), FreePort.Take(), FreePort.Take(), FreePort.Take());
        var appId = project.ToLowerInvariant();
        if (project == "Orders") OrdersHttp = $"http://localhost:{httpPort}";
        Dictionary<string, string> environment = new()
        {
            ["APP_PORT"] = $"{appPort}",
            ["HTTP_PORT"] = $"{httpPort}",
            ["DAPR_GRPC_PORT"] = $"{daprGrpcPort}",
            ["DAPR_HTTP_PORT"] = $"{daprHttpPort}",
            ["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = $"{RunningShop.Nowhere}",
            ["Console__Zipkin"] = "",
            ["Saga__Deadline"] = $"{deadline:c}",
            ["Saga__ResendAfter"] = $"{ResendAfter:c}",
            ["Saga__SweepPeriod"] = $"{SweepPeriod:c}",
        };
        if (drainDelay is { } delay) environment["Saga__DrainDelay"] = $"{delay:c}";
        var components = Path.Combine(folder.FullName, "components");
        Services.Add(new($"{project} {number}", () => ChildProcess.Start(
            "dotnet", [bin is null ? RunningShop.ProgramOf(project) : Path.Combine(bin, project, "release", $"{project}.dll")], environment)));
        Sidecars.Add(new($"daprd of {appId} {number}", () => RunningShop.Daprd([
            "--app-id", appId, "--app-port", $"{appPort}", "--app-protocol", "grpc",
            "--dapr-grpc-port", $"{daprGrpcPort}", "--dapr-http-port", $"{daprHttpPort}",
            "--resources-path", components, "--config", Path.Combine(components, "config.yaml"),
            "--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-probe-timeout", "500", "--app-health-threshold", "3",
            "--names-folder", NamesFolder,
        ])));
        appIds[Sidecars[^1]] = appId;
        return addresses[Services[^1]] = $"http://localhost:{appPort}";
    }

    /// <summary>Writes the project's components with this Redis and short timeouts.</summary>
    private void WriteComponents()
    {
        var components = folder.CreateSubdirectory("components").FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(RunningShop.Root, "components")))
        {
            var text = File.ReadAllText(file).Replace("localhost:6379", RedisAddress).Replace("http://localhost:9411/api/v2/spans", $"{RunningShop.Nowhere}");
            text = Regex.Replace(text, @"(name: processingTimeout\s+value: )""\w+""", $"$1\"{ProcessingTimeout.TotalSeconds}s\"");
            text = Regex.Replace(text, @"(name: redeliverInterval\s+value: )""\w+""", "$1\"1000\"");
            File.WriteAllText(Path.Combine(components, Path.GetFileName(file)), text);
        }
    }
}
