namespace Integration.Console;

/// <summary>The console and its sidecar, each a process, beside a shop that runs already.</summary>
internal sealed class ConsoleProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60), PollInterval = TimeSpan.FromMilliseconds(50);

    private readonly ChildProcess sidecar, console;

    private ConsoleProcess(ChildProcess sidecar, ChildProcess console, string address) => (this.sidecar, this.console, Address) = (sidecar, console, address);

    /// <summary>Its address over HTTP.</summary>
    public string Address { get; }

    /// <param name="namesFolder">Through which its sidecar finds those of the services.</param>
    /// <param name="additional">Environment variables of both processes.</param>
    /// <param name="zipkin">Where the page links traces to. Empty: nowhere; null: the default.</param>
    public static async Task<ConsoleProcess> StartAsync(
        string? zipkin, string namesFolder, IReadOnlyDictionary<string, string>? additional = null)
    {
        var (appPort, httpPort, daprGrpcPort, daprHttpPort) = (FreePort.Take(), FreePort.Take(), FreePort.Take(), FreePort.Take());
        Dictionary<string, string> environment = new()
        {
            ["APP_PORT"] = $"{appPort}",
            ["HTTP_PORT"] = $"{httpPort}",
            ["DAPR_GRPC_PORT"] = $"{daprGrpcPort}",
            ["DAPR_HTTP_PORT"] = $"{daprHttpPort}",
            ["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = $"{RunningShop.Nowhere}",
        };
        foreach (var (name, value) in additional ?? new Dictionary<string, string>()) environment[name] = value;
        if (zipkin is not null) environment["Console__Zipkin"] = zipkin;
        var started = new ConsoleProcess(
            RunningShop.Daprd(["--app-id", "console", "--app-port", $"{appPort}", "--app-protocol", "grpc",
                "--dapr-grpc-port", $"{daprGrpcPort}", "--dapr-http-port", $"{daprHttpPort}", "--names-folder", namesFolder], additional),
            ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Console")], environment),
            $"http://localhost:{httpPort}");
        await started.WaitUntilReadyAsync();
        return started;
    }

    public async ValueTask DisposeAsync()
    {
        await console.DisposeAsync();
        await sidecar.DisposeAsync();
    }

    private async Task WaitUntilReadyAsync()
    {
        using var http = new HttpClient();
        for (var until = DateTime.UtcNow + StartTimeout; ; await Task.Delay(PollInterval))
        {
            try
            {
                using var ready = await http.GetAsync($"{Address}/healthz/ready");
                if (ready.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }
            Assert.True(DateTime.UtcNow < until, $"The console is not ready. It wrote:\n{console.Output}\nIts sidecar wrote:\n{sidecar.Output}");
        }
    }
}

/// <summary>The console of the shared shop.</summary>
public sealed class RunningConsole(RunningShop shop) : IAsyncLifetime
{
    private ConsoleProcess? console;

    public string Address => console!.Address;

    public async Task InitializeAsync() => console = await ConsoleProcess.StartAsync(zipkin: null, shop.NamesFolder);

    public async Task DisposeAsync()
    {
        if (console is not null) await console.DisposeAsync();
    }
}
