using System.Diagnostics;
using Grpc.Net.Client;
using Shared;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Bench;

/// <summary>Four apps in this process, and their sidecars in one other process.</summary>
internal sealed class Sidecars : IAsyncDisposable
{
    public static readonly string[] AppIds = ["one", "two", "three", "four"];

    private readonly DirectoryInfo folder;
    private readonly List<App> apps = [];
    private readonly List<GrpcChannel> channels = [];

    private Sidecars(Process process, DirectoryInfo folder)
    {
        Process = process;
        this.folder = folder;
    }

    public Process Process { get; }

    public IReadOnlyList<App> Apps => apps;

    /// <summary>The sidecar of each app.</summary>
    public List<DaprService.DaprClient> Clients { get; } = [];

    public static async Task<Sidecars> StartAsync(int redisPort)
    {
        var folder = Directory.CreateTempSubdirectory("bench-");
        var ports = AppIds.Select(id => (Id: id, App: FreePort.Take(), Grpc: FreePort.Take())).ToList();
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "components.yaml"), Components(redisPort));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "dapr.yaml"), $$"""
            version: 1
            common: {resourcesPaths: [.]}
            apps:
            {{string.Join('\n', ports.Select(p => $"- {{appID: {p.Id}, appDirPath: ., appPort: {p.App}, appProtocol: grpc, daprGRPCPort: {p.Grpc}}}"))}}
            """);
        var program = Path.Combine(AppContext.BaseDirectory, "daprd.dll");
        string[] words = [program, "run", "-f", folder.FullName, "--names-folder", Path.Combine(folder.FullName, "names")];
        var process = Process.Start(new ProcessStartInfo("dotnet", words) { RedirectStandardOutput = true })!;
        var sidecars = new Sidecars(process, folder);
        // The run requires the app ports to be free at its start.
        foreach (var _ in AppIds) await sidecars.LineAsync("is started elsewhere");
        foreach (var (_, app, grpc) in ports)
        {
            sidecars.apps.Add(await App.StartAsync(app, AppIds[sidecars.apps.Count]));
            var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{grpc}");
            sidecars.channels.Add(channel);
            sidecars.Clients.Add(new DaprService.DaprClient(channel));
        }

        await sidecars.LineAsync("== DAPR == dapr initialized");
        _ = process.StandardOutput.ReadToEndAsync();
        return sidecars;
    }

    public async ValueTask DisposeAsync()
    {
        Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
        channels.ForEach(channel => channel.Dispose());
        foreach (var app in apps) await app.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private async Task LineAsync(string text)
    {
        while (await Process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal)) return;
        }

        throw new InvalidOperationException("The sidecars did not start.");
    }

    private static string Components(int redisPort) => $$"""
        kind: Component
        metadata: {name: store}
        spec: {type: state.redis, metadata: [{name: redisHost, value: "127.0.0.1:{{redisPort}}"}]}
        ---
        kind: Component
        metadata: {name: pubsub}
        spec: {type: pubsub.redis, metadata: [{name: redisHost, value: "127.0.0.1:{{redisPort}}"}]}
        """;
}
