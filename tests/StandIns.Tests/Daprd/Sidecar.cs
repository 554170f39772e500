using Grpc.Net.Client;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace StandIns.Daprd;

/// <summary>
/// A sidecar in a process of its own: the stand-in, or the daprd that the environment variable DAPRD_UNDER_TEST names.
/// </summary>
public sealed class Sidecar : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly string _folder;
    private readonly GrpcChannel _channel;

    private Sidecar(ChildProcess process, string folder, int grpcPort, int httpPort)
    {
        _process = process;
        _folder = folder;
        Address = $"http://127.0.0.1:{grpcPort}";
        _channel = GrpcChannel.ForAddress(Address);
        Dapr = new DaprService.DaprClient(_channel);
        Http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{httpPort}") };
    }

    /// <summary>Of the gRPC API.</summary>
    public string Address { get; }

    public GrpcChannel Channel => _channel;

    public DaprService.DaprClient Dapr { get; }

    public HttpClient Http { get; }

    internal ChildProcess Process => _process;

    internal static string Program => Environment.GetEnvironmentVariable("DAPRD_UNDER_TEST") is { Length: > 0 } daprd ? daprd : "dotnet";

    /// <summary>Completes when the APIs are up; with an app, when its subscriptions are active.</summary>
    /// <param name="resources">YAML documents.</param>
    /// <param name="appPort">Zero for a sidecar without an app.</param>
    public static async Task<Sidecar> StartAsync(string appId, string resources, int appPort = 0, string[]? more = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "resources.yaml"), resources);
        var (grpcPort, httpPort) = (FreePort.Take(), FreePort.Take());
        List<string> arguments =
        [
            .. Words(), "--app-id", appId, "--dapr-grpc-port", $"{grpcPort}", "--dapr-http-port", $"{httpPort}", "--resources-path", folder, .. more ?? [],
        ];
        if (appPort != 0) arguments.AddRange(["--app-port", $"{appPort}", "--app-protocol", "grpc"]);
        var sidecar = new Sidecar(ChildProcess.Start(Program, arguments, environment), folder, grpcPort, httpPort);
        await sidecar._process.LineAsync("dapr initialized. Status: Running.");
        return sidecar;
    }

    /// <summary>What precedes the flags on the command line.</summary>
    internal static string[] Words() => Program == "dotnet" ? [Path.Combine(AppContext.BaseDirectory, "daprd.dll")] : [];

    public Task KillAsync() => _process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        Http.Dispose();
        await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
