using System.Text.RegularExpressions;
using Grpc.Net.Client;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Conformance;

/// <summary>
/// A sidecar with its clients. A started sidecar is its own process: the stand-in, or the daprd named by the environment variable
/// DAPRD_UNDER_TEST, configured only with daprd's own flags, files and environment variables.
/// </summary>
public sealed partial class Sidecar : IAsyncDisposable
{
    private static readonly string Foreign = Environment.GetEnvironmentVariable("DAPRD_UNDER_TEST") ?? "";

    private readonly string folder;
    private readonly GrpcChannel channel;

    private Sidecar(string appId, string grpc, string http, ChildProcess process, string folder)
    {
        AppId = appId;
        Process = process;
        this.folder = folder;
        Address = grpc;
        channel = GrpcChannel.ForAddress(grpc);
        Dapr = new DaprService.DaprClient(channel);
        Http = new HttpClient { BaseAddress = new Uri(http) };
    }

    /// <summary>False if the tests run against another sidecar.</summary>
    public static bool IsStandIn => Foreign.Length == 0;

    public string AppId { get; }

    /// <summary>The address of the gRPC API.</summary>
    public string Address { get; }

    public GrpcChannel Channel => channel;

    public DaprService.DaprClient Dapr { get; }

    public HttpClient Http { get; }

    internal ChildProcess Process { get; }

    /// <summary>Sidecars find each other by app id on the whole machine, so an app that other apps call needs a unique one.</summary>
    public static string FreshId(string name) => $"{name}-{Guid.NewGuid():N}"[..(name.Length + 9)];

    /// <summary>Completes when the APIs are up and, with an app, its subscriptions are active (with health checks: its port is reachable).</summary>
    /// <param name="resources">YAML documents.</param>
    /// <param name="appPort">Zero: no app.</param>
    public static async Task<Sidecar> StartAsync(
        string appId, string resources, int appPort = 0, string[]? more = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var sidecar = Launch(appId, resources, appPort, more, environment);
        await sidecar.ReadyAsync();
        return sidecar;
    }

    /// <summary>Like <see cref="StartAsync"/>, without waiting.</summary>
    public static Sidecar Launch(
        string appId, string resources, int appPort = 0, string[]? more = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-").FullName;
        // One file per document: daprd reads policies only from the first document of a file.
        var documents = Separator().Split(resources).Where(document => document.Trim().Length > 0);
        foreach (var (at, document) in documents.Index()) File.WriteAllText(Path.Combine(folder, $"{at:00}.yaml"), document);
        var (grpcPort, httpPort) = (FreePort.Take(), FreePort.Take());
        List<string> arguments =
        [
            "--app-id", appId, "--dapr-grpc-port", $"{grpcPort}", "--dapr-http-port", $"{httpPort}", "--resources-path", folder,
            "--dapr-internal-grpc-port", $"{FreePort.Take()}", "--metrics-port", $"{FreePort.Take()}", .. more ?? [],
        ];
        if (appPort != 0) arguments.AddRange(["--app-port", $"{appPort}", "--app-protocol", "grpc"]);
        var variables = new Dictionary<string, string>(environment ?? new Dictionary<string, string>()) { ["DAPR_HOST_IP"] = "127.0.0.1" };
        return new Sidecar(appId, $"http://127.0.0.1:{grpcPort}", $"http://127.0.0.1:{httpPort}", Run(arguments, variables), folder);
    }

    public async Task ReadyAsync() => await Process.LineAsync("dapr initialized. Status: Running.");

    /// <summary>Completes when the components are served, which does not depend on the app.</summary>
    public Task ServesAsync() => Poll.UntilAsync(async () =>
    {
        try
        {
            using var response = await Http.GetAsync("/v1.0/healthz/outbound");
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // Not listening yet.
            return false;
        }
    });

    /// <summary>Waits for a log line of the stand-in. Does nothing for other sidecars, whose log lines differ.</summary>
    public async Task LogsAsync(string text)
    {
        if (IsStandIn) await Process.LineAsync(text);
    }

    /// <summary>Completes when the sidecar has detected that its app is unhealthy and has stopped its subscriptions.</summary>
    public async Task UntilUnhealthyAsync()
    {
        await LogsAsync("the subscriptions of an unhealthy app are stopped");
        if (IsStandIn) return;
        await Poll.UntilAsync(async () =>
        {
            using var response = await Http.GetAsync($"/v1.0/invoke/{AppId}/method/any");
            return (await response.Content.ReadAsStringAsync()).Contains("not in a healthy state");
        });
    }

    public Task KillAsync() => Process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        channel.Dispose();
        Http.Dispose();
        await Process.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [GeneratedRegex(@"^---\s*$", RegexOptions.Multiline)]
    private static partial Regex Separator();

    private static ChildProcess Run(List<string> arguments, Dictionary<string, string> environment) => IsStandIn
        ? StandIn.Run(arguments, environment)
        : ChildProcess.Start(Foreign, arguments, environment);
}
