using Grpc.Net.Client;

namespace Integration;

/// <summary>A shop, and beside it one more participant with a sidecar of its own. Orders waits for it, and nothing else knows it.</summary>
/// <param name="appId">The name of its step.</param>
public abstract class ShopWithParticipant(string appId) : RunningShop
{
    private readonly int appPort = FreePort.Take(), httpPort = FreePort.Take(), sidecarPort = FreePort.Take(), sidecarHttpPort = FreePort.Take();
    private ChildProcess? participant;

    /// <summary>For its files.</summary>
    protected DirectoryInfo Outside { get; } = Directory.CreateTempSubdirectory($"{appId}-");

    /// <summary>Its HTTP API.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>Its gRPC API.</summary>
    public GrpcChannel Grpc { get; private set; } = null!;

    /// <summary>The settings of the participant.</summary>
    protected Dictionary<string, string> ParticipantEnvironment { get; } = new() { ["OTEL_SDK_DISABLED"] = "true", ["Saga__DrainDelay"] = "0s" };

    /// <summary>Makes the program, if it is not built yet.</summary>
    /// <returns>The path of its dll.</returns>
    protected abstract Task<string> BuildAsync();

    public override async Task InitializeAsync()
    {
        EnvironmentByApp["orders"] = new() { ["Saga__Steps"] = $"stock,payments,coupons,{appId}" };
        await base.InitializeAsync();
        WriteRunFile(await BuildAsync());
        Http = new() { BaseAddress = new($"http://localhost:{httpPort}") };
        Grpc = GrpcChannel.ForAddress($"http://localhost:{appPort}");
        await StartParticipantAsync();
    }

    public override async Task DisposeAsync()
    {
        Http?.Dispose();
        Grpc?.Dispose();
        if (participant is not null) await StopParticipantAsync("TERM");
        Outside.Delete(recursive: true);
        await base.DisposeAsync();
    }

    public async Task StartParticipantAsync()
    {
        participant = Daprd(["run", "-f", RunFile, "--names-folder", NamesFolder], ParticipantEnvironment);
        await Poll.UntilAsync(IsReadyAsync, () => $"The participant is not ready. Its runner wrote:\n{participant.Output}");
    }

    /// <summary>With KILL the participant and its sidecar die at once.</summary>
    public async Task StopParticipantAsync(string signal)
    {
        if (signal == "KILL") await participant!.KillAsync();
        else participant!.Signal(signal);
        await participant.ExitAsync();
        await participant.DisposeAsync();
        participant = null;
    }

    /// <summary>Publishes an event through the sidecar of Orders, which may publish the events of orders.</summary>
    public async Task PublishAsync(string topic, object e)
    {
        using var http = new HttpClient();
        (await System.Net.Http.Json.HttpClientJsonExtensions.PostAsJsonAsync(
            http, $"{AddressOf("3501")}/v1.0/publish/pubsub/{topic}", e)).EnsureSuccessStatusCode();
    }

    private string RunFile => Path.Combine(Outside.FullName, "dapr.yaml");

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

    /// <summary>The scopes of docs/add-a-participant.md.</summary>
    protected override string EditComponent(string text)
    {
        var answers = $"{appId}-succeeded,{appId}-failed,{appId}-compensated";
        return text
            .Replace("scopes: [orders,", $"scopes: [{appId}, orders,")
            .Replace("value: \"orders=order-created", $"value: \"{appId}={answers},{appId}-dead-letters;orders=order-created")
            .Replace("value: \"orders=stock-reserved", $"value: \"{appId}=order-created,order-confirmed,order-failed,{appId}-dead-letters;orders={answers},stock-reserved");
    }

    private void WriteRunFile(string program) => File.WriteAllText(RunFile, $"""
            version: 1
            common:
              resourcesPaths: [{Components}]
              configFilePath: {Components}/config.yaml
            apps:
              - appID: {appId}
                appDirPath: {Outside.FullName}
                appProtocol: grpc
                appPort: {appPort}
                daprGRPCPort: {sidecarPort}
                daprHTTPPort: {sidecarHttpPort}
                command: [dotnet, {program}]
                env:
                  HTTP_PORT: "{httpPort}"
            """);
}
