using System.Text.RegularExpressions;
using Grpc.Core;
using Grpc.Net.Client;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Conformance;

/// <summary>
/// A sidecar, known by its addresses. Those that are started here, each in a process of its own, are the stand-in, or the daprd that the
/// environment variable DAPRD_UNDER_TEST names, and are told what daprd's flags, files and environment can tell.
/// </summary>
public sealed partial class Sidecar : IAsyncDisposable
{
    private static readonly string Foreign = Environment.GetEnvironmentVariable("DAPRD_UNDER_TEST") ?? "";

    private readonly ChildProcess? process;
    private readonly string? folder;
    private readonly GrpcChannel channel;

    private Sidecar(string appId, string grpc, string http, ChildProcess? process = null, string? folder = null)
    {
        AppId = appId;
        this.process = process;
        this.folder = folder;
        Address = grpc;
        channel = GrpcChannel.ForAddress(grpc);
        Dapr = new DaprService.DaprClient(channel);
        Http = new HttpClient { BaseAddress = new Uri(http) };
    }

    /// <summary>False when the tests are pointed at another sidecar.</summary>
    public static bool IsStandIn => Foreign.Length == 0;

    public string AppId { get; }

    /// <summary>Of the gRPC API.</summary>
    public string Address { get; }

    public GrpcChannel Channel => channel;

    public DaprService.DaprClient Dapr { get; }

    public HttpClient Http { get; }

    /// <summary>Only of one that was started here.</summary>
    internal ChildProcess Process => process!;

    /// <summary>Sidecars find each other by their app's id, on the whole machine: an app that others call needs one that nobody else has.</summary>
    public static string FreshId(string name) => $"{name}-{Guid.NewGuid():N}"[..(name.Length + 9)];

    /// <summary>One that somebody else has started, or will.</summary>
    public static Sidecar At(string appId, string grpc, string http) => new(appId, grpc, http);

    /// <summary>Completes when the APIs are up; with an app, when its subscriptions are active, or, when its health is checked, about to be.</summary>
    /// <param name="resources">YAML documents.</param>
    /// <param name="appPort">Zero for a sidecar without an app.</param>
    public static async Task<Sidecar> StartAsync(string appId, string resources, int appPort = 0, string[]? more = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var sidecar = Launch(appId, resources, appPort, more, environment);
        await sidecar.ReadyAsync();
        return sidecar;
    }

    /// <summary>As <see cref="StartAsync"/>, but waits for nothing.</summary>
    public static Sidecar Launch(string appId, string resources, int appPort = 0, string[]? more = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-").FullName;
        // A file for each document: for policies, daprd looks at the first of a file only.
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

    /// <summary>Completes when it serves its components, which do not wait for the app.</summary>
    public async Task ServesAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            try
            {
                using var response = await Http.GetAsync("/v1.0/healthz/outbound", limit.Token);
                if (response.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
        }
    }

    /// <summary>Waits for a line that the stand-in writes. How others put it is not known: they are not waited for.</summary>
    public async Task SaysAsync(string text)
    {
        if (IsStandIn) await Process.LineAsync(text);
    }

    /// <summary>Completes when the sidecar has found out that its app is unhealthy, and so no longer brings it events.</summary>
    public async Task UntilUnhealthyAsync()
    {
        await SaysAsync("the subscriptions of an unhealthy app are stopped");
        if (IsStandIn) return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            using var answer = await Http.GetAsync($"/v1.0/invoke/{AppId}/method/any", limit.Token);
            if ((await answer.Content.ReadAsStringAsync(limit.Token)).Contains("not in a healthy state")) return;
        }
    }

    public Task KillAsync() => Process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        channel.Dispose();
        Http.Dispose();
        if (process is not null) await process.DisposeAsync();
        if (folder is not null) Directory.Delete(folder, recursive: true);
    }

    [GeneratedRegex(@"^---\s*$", RegexOptions.Multiline)]
    private static partial Regex Separator();

    private static ChildProcess Run(List<string> arguments, Dictionary<string, string> environment) => IsStandIn
        ? StandIn.Run(arguments, environment)
        : ChildProcess.Start(Foreign, arguments, environment);
}
