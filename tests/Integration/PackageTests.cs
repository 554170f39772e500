using System.IO.Compression;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Grpc.Net.Client;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>
/// A shop, and beside it the participant of the package's readme: built outside of the solution from the packed file alone, with a sidecar of its own.
/// </summary>
public sealed class PackagedParticipant : RunningShop
{
    private static readonly TimeSpan BuildTimeout = TimeSpan.FromMinutes(5);

    private readonly DirectoryInfo outside = Directory.CreateTempSubdirectory("package-");
    private readonly int appPort = FreePort.Take(), httpPort = FreePort.Take(), sidecarPort = FreePort.Take(), sidecarHttpPort = FreePort.Take();
    private ChildProcess? participant;

    /// <summary>The folder with the packed files.</summary>
    public string Packed => Path.Combine(outside.FullName, "packed");

    /// <summary>Its HTTP API.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>Its gRPC API.</summary>
    public GrpcChannel Grpc { get; private set; } = null!;

    private string Project => Path.Combine(outside.FullName, "Slots");

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        await RunAsync("pack", Path.Combine(Root, "saga"), "-c", Configuration, "--no-build", "-o", Packed);
        WriteProject();
        await RunAsync("build", Project, "-c", "Release", "-p:UseSharedCompilation=false");
        participant = Daprd(["run", "-f", WriteRunFile(), "--names-folder", NamesFolder], new Dictionary<string, string>
        {
            ["OTEL_SDK_DISABLED"] = "true", ["Saga__Deadline"] = "5s", ["Saga__SweepPeriod"] = "200ms",
        });
        Http = new() { BaseAddress = new($"http://localhost:{httpPort}") };
        Grpc = GrpcChannel.ForAddress($"http://localhost:{appPort}");
        await Poll.UntilAsync(IsReadyAsync, () => $"The participant is not ready. Its runner wrote:\n{participant.Output}");
    }

    public override async Task DisposeAsync()
    {
        Http?.Dispose();
        Grpc?.Dispose();
        if (participant is not null)
        {
            participant.Signal("TERM");
            await participant.ExitAsync();
            await participant.DisposeAsync();
        }
        outside.Delete(recursive: true);
        await base.DisposeAsync();
    }

    /// <summary>Publishes an event through the participant's own sidecar, as anyone may.</summary>
    public async Task PublishAsync(string topic, object e)
    {
        using var http = new HttpClient();
        (await http.PostAsJsonAsync($"http://localhost:{sidecarHttpPort}/v1.0/publish/pubsub/{topic}", e)).EnsureSuccessStatusCode();
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            return (await Http.GetAsync("/healthz/ready")).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>The files of the readme. The package comes from its file, what it depends on from the packages of this build: no feed is asked.</summary>
    private void WriteProject()
    {
        Directory.CreateDirectory(Project);
        var readme = File.ReadAllText(Path.Combine(Root, "saga/PACKAGE.md"));
        foreach (Match file in Regex.Matches(readme, @"^`([\w.]+)`.*?^```\w+\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline))
        {
            File.WriteAllText(Path.Combine(Project, file.Groups[1].Value), file.Groups[2].Value);
        }
        var packages = System.Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(System.Environment.GetFolderPath(System.Environment.SpecialFolder.UserProfile), ".nuget/packages");
        File.WriteAllText(Path.Combine(Project, "nuget.config"), $"""
            <configuration>
              <packageSources>
                <clear />
                <add key="packed" value="{Packed}" />
              </packageSources>
              <fallbackPackageFolders>
                <add key="built" value="{packages}" />
              </fallbackPackageFolders>
              <config>
                <add key="globalPackagesFolder" value="{Path.Combine(outside.FullName, "packages")}" />
              </config>
            </configuration>
            """);
    }

    /// <summary>The shop's components, with the app in their scopes.</summary>
    private string WriteRunFile()
    {
        var components = outside.CreateSubdirectory("components").FullName;
        foreach (var file in Directory.EnumerateFiles(Components, "*.yaml"))
        {
            File.WriteAllText(Path.Combine(components, Path.GetFileName(file)),
                File.ReadAllText(file).Replace("scopes: [orders, stock, payments, coupons]", "scopes: [slots]"));
        }
        var runFile = Path.Combine(outside.FullName, "dapr.yaml");
        File.WriteAllText(runFile, $"""
            version: 1
            common:
              resourcesPaths: [{components}]
              configFilePath: {components}/config.yaml
            apps:
              - appID: slots
                appDirPath: {Project}
                appProtocol: grpc
                appPort: {appPort}
                daprGRPCPort: {sidecarPort}
                daprHTTPPort: {sidecarHttpPort}
                command: [dotnet, bin/Release/net10.0/Slots.dll]
                env:
                  HTTP_PORT: "{httpPort}"
            """);
        return runFile;
    }

    private static async Task RunAsync(params string[] arguments)
    {
        // Neither takes the settings of the 'dotnet test' that runs this.
        await using var dotnet = ChildProcess.Start("dotnet", [.. arguments, "--nologo", "-v", "q"], new Dictionary<string, string>
        {
            ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0",
        });
        await dotnet.Ended.WaitAsync(BuildTimeout);
        Assert.True(await dotnet.ExitAsync() == 0, $"dotnet {string.Join(' ', arguments)}\n{dotnet.Output}");
    }
}

/// <summary>What the package promises, tried from outside: hold, settle, release, each once, in any order; sweep, dead letters, readiness.</summary>
public sealed class PackageTests(PackagedParticipant slots) : IClassFixture<PackagedParticipant>
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    private sealed record Day(long Free, long Held, long Kept);

    [Fact]
    public void The_package_has_its_readme_licence_documentation_contracts_and_symbols()
    {
        using var package = ZipFile.OpenRead(Path.Combine(slots.Packed, "DaprSaga.Participants.2.0.0-beta.1.nupkg"));
        Assert.Superset(
            new HashSet<string>
            {
                "README.md", "LICENSE", "protos/shop/v1/events.proto", "lib/net10.0/DaprSaga.Participants.dll", "lib/net10.0/DaprSaga.Participants.xml",
                "lib/net10.0/DaprSaga.Contracts.dll", "lib/net10.0/DaprSaga.Contracts.xml",
            },
            package.Entries.Select(entry => entry.FullName).ToHashSet());
        using var symbols = ZipFile.OpenRead(Path.Combine(slots.Packed, "DaprSaga.Participants.2.0.0-beta.1.snupkg"));
        Assert.Superset(
            new HashSet<string> { "lib/net10.0/DaprSaga.Participants.pdb", "lib/net10.0/DaprSaga.Contracts.pdb" },
            symbols.Entries.Select(entry => entry.FullName).ToHashSet());
        using var nuspec = new StreamReader(package.GetEntry("DaprSaga.Participants.nuspec")!.Open());
        var metadata = nuspec.ReadToEnd();
        Assert.Contains("<license type=\"expression\">MIT</license>", metadata);
        Assert.DoesNotContain("id=\"DaprSaga.Contracts\"", metadata);
        Assert.DoesNotContain("ApiAnalyzers", metadata);
    }

    [Fact]
    public async Task Orders_of_the_shop_hold_a_slot_and_keep_or_free_it()
    {
        await slots.Http.PostAsync("/slots?more=3", null);
        var before = await ReadAsync();
        await Scenario.All.Single(one => one.Name == "success").PlayAsync(slots.Clients, run, default);
        await WaitForAsync(before with { Free = before.Free - 1, Kept = before.Kept + 1 });
        await Scenario.All.Single(one => one.Name == "coupon refused").PlayAsync(slots.Clients, run + "f", default);
        await WaitForAsync(before with { Free = before.Free - 1, Kept = before.Kept + 1 });
    }

    [Fact]
    public async Task An_order_of_nobody_is_held_once_and_released_by_the_sweep()
    {
        await slots.Http.PostAsync("/slots?more=3", null);
        var before = await ReadAsync();
        var order = Guid.CreateVersion7().ToString();
        for (var delivery = 0; delivery < 3; delivery++) await slots.PublishAsync("order-created", Created(order));
        await WaitForAsync(before with { Free = before.Free - 1, Held = before.Held + 1 });
        // Orders does not know it.
        await WaitForAsync(before);
    }

    [Fact]
    public async Task A_failed_order_leaves_a_tombstone()
    {
        await slots.Http.PostAsync("/slots?more=3", null);
        var before = await ReadAsync();
        var order = Guid.CreateVersion7().ToString();
        await slots.PublishAsync("order-failed", new { orderId = order, userId = "u", items = Items, totalAmount = "1000", finalAmount = "1000", reason = "CANCELLED" });
        await WaitForAnswerAsync("slot-freed", order);
        await slots.PublishAsync("order-created", Created(order));
        Assert.Contains("ORDER_ALREADY_FAILED", await WaitForAnswerAsync("slot-booking-failed", order));
        Assert.Equal(before, await ReadAsync());
    }

    [Fact]
    public async Task An_event_that_breaks_the_contract_is_a_dead_letter()
    {
        await slots.PublishAsync("order-created", new { orderId = $"NO-{run}" });
        var letters = new DeadLetterService.DeadLetterServiceClient(slots.Grpc);
        await Poll.UntilAsync(async () => (await letters.ListDeadLettersAsync(new())).DeadLetters
            .Any(letter => letter.AppId == "slots" && letter.Problem.Contains($"NO-{run}")), () => "There is no dead letter.");
    }

    private static object[] Items => [new { productId = "p", quantity = 1, unitPrice = "1000" }];

    private static object Created(string order) => new { orderId = order, userId = "u", items = Items, totalAmount = "1000", finalAmount = "1000" };

    private async Task<Day> ReadAsync() => (await slots.Http.GetFromJsonAsync<Day>("/slots"))!;

    private async Task WaitForAsync(Day expected)
    {
        Day? seen = null;
        await Poll.UntilAsync(async () => (seen = await ReadAsync()) == expected, () => $"{seen} instead of {expected}");
    }

    /// <returns>The event, as it is in the topic's stream.</returns>
    private async Task<string> WaitForAnswerAsync(string topic, string order)
    {
        string? answer = null;
        await Poll.UntilAsync(async () => (answer = await FindAsync()) is not null, () => $"No {topic} of {order}.");
        return answer!;

        async Task<string?> FindAsync() =>
            (await slots.Redis.KeyExistsAsync(topic) ? await slots.ReadRedisAsync(topic) : "").Split('\n').FirstOrDefault(e => e.Contains(order));
    }
}
