using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Grpc.Core;
using Grpc.Net.Client;
using Shop;
using StackExchange.Redis;

namespace Integration;

/// <summary>The whole shop as a user starts it, as processes on free ports: Redis, a runner with four sidecars, and four services.</summary>
public class RunningShop : IAsyncLifetime
{
    public static readonly string Root = RootOf();

    /// <summary>The output folder of this build: artifacts/bin.</summary>
    private static readonly string Bin = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../.."));

    protected static readonly string Configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));

    /// <summary>False: the environment of the tests, which the services inherit, switches the setting off.</summary>
    public static bool IsBatching => IsOn("Saga__Batching");

    /// <inheritdoc cref="IsBatching"/>
    public static bool IsCaching => IsOn("Saga__Caching");

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("shop-");
    private readonly ConcurrentDictionary<string, GrpcChannel> channels = new();
    private readonly bool embedded;
    private RedisServer? redis;
    private ChildProcess? runner;

    public RunningShop() : this(embedded: false)
    {
    }

    protected RunningShop(bool embedded) => this.embedded = embedded;

    internal ShopClients Clients { get; private set; } = null!;

    public IDatabase Redis => redis!.Database;

    public IEnumerable<string> RedisKeys() => Redis.Multiplexer.GetServers()[0].Keys(pageSize: 1_000).Select(key => $"{key}");

    /// <summary>A hash or a stream as text.</summary>
    public async Task<string> ReadRedisAsync(string key) => await Redis.KeyTypeAsync(key) == RedisType.Stream
        ? string.Join('\n', (await Redis.StreamRangeAsync(key)).SelectMany(entry => entry.Values.Select(value => $"{value.Value}")))
        : string.Join('\n', (await Redis.HashGetAllAsync(key)).Select(field => $"{field.Value}"));

    public string RedisAddress => redis!.Address;

    /// <summary>The folder of Dapr's component files.</summary>
    public string Components => Path.Combine(folder.FullName, "components");

    /// <summary>The folder through which sidecars find each other.</summary>
    public string NamesFolder => Path.Combine(folder.FullName, "names");

    /// <summary>The bearer token of the clients and of the command line. Null: none.</summary>
    internal string? Token { get; private protected set; }

    /// <summary>Additional environment variables of the services.</summary>
    protected Dictionary<string, string> Environment { get; } = [];

    /// <summary>Additional environment variables of one service, by app id.</summary>
    protected Dictionary<string, Dictionary<string, string>> EnvironmentByApp { get; } = [];

    /// <summary>Additional metadata of the state store's component.</summary>
    protected Dictionary<string, string> StoreMetadata { get; } = [];

    /// <summary>Endpoint for spans; unreachable unless a test collects them.</summary>
    protected Uri Zipkin { get; set; } = Nowhere;

    internal static Uri Nowhere { get; } = new("http://localhost:1/api/v2/spans");

    public Dictionary<string, int> Ports { get; } = new[]
    {
        "5001", "5002", "5003", "5004", "8080", "8082", "8083", "8084", "50001", "50002", "50003", "50004", "3501", "3502", "3503", "3504",
    }.ToDictionary(port => port, _ => FreePort.Take());

    /// <summary>The output of the runner and the services so far.</summary>
    public string Output => runner!.Output;

    public string AddressOf(string port) => $"http://localhost:{Ports[port]}";

    /// <summary>Started by ./test.sh, the programs are those that ReadyToRun has compiled ahead of time, where it has.</summary>
    public static string ProgramOf(string project)
    {
        var program = Path.Combine(Bin, project, Configuration, $"{project}.dll");
        var compiled = Path.Combine(Bin, project, $"{Configuration}_r2r", $"{project}.dll");
        if (System.Environment.GetEnvironmentVariable("READY_TO_RUN") is { Length: > 0 } && File.Exists(compiled)) return compiled;
        // The stand-in for daprd is not part of the solution.
        return File.Exists(program) ? program : throw new FileNotFoundException($"{program} is missing: build it with 'dotnet build standins/daprd -c Release'.");
    }

    internal ChildProcess Runner => runner!;

    public virtual async Task InitializeAsync()
    {
        redis = embedded ? null : await RedisServer.StartAsync();
        await StartRunnerAsync();
    }

    /// <summary>Stops all services and sidecars, and starts them with the settings that are set now. Redis goes on.</summary>
    public async Task RestartAsync()
    {
        runner!.Signal("TERM");
        await runner.ExitAsync();
        await runner.DisposeAsync();
        await StartRunnerAsync();
    }

    private async Task StartRunnerAsync()
    {
        var runFile = WriteFiles();
        Dictionary<string, string> environment = new()
        {
            ["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = $"{Zipkin}", ["OTEL_BSP_SCHEDULE_DELAY"] = "100", ["Saga__DrainDelay"] = "0s",
        };
        foreach (var (name, value) in Environment) environment[name] = value;
        runner = ChildProcess.Start("dotnet", [ProgramOf("daprd"), "run", "-f", runFile, "--names-folder", NamesFolder, .. embedded ? ["--embedded"] : Array.Empty<string>()], environment);
        Clients = new(AddressOf("5001"), AddressOf("5002"), AddressOf("5003"), AddressOf("5004"), token: Token);
        try
        {
            await Clients.WaitUntilReadyAsync(TimeSpan.FromMinutes(3), default);
        }
        catch (TimeoutException late)
        {
            throw new InvalidOperationException($"{late.Message} The runner wrote:\n{runner.Output}");
        }
    }

    public virtual async Task DisposeAsync()
    {
        foreach (var channel in channels.Values) channel.Dispose();
        if (runner is not null)
        {
            runner.Signal("TERM");
            await runner.ExitAsync();
            await runner.DisposeAsync();
        }
        if (redis is not null) await redis.DisposeAsync();
        folder.Delete(recursive: true);
    }

    internal static ChildProcess Daprd(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        ChildProcess.Start("dotnet", [ProgramOf("daprd"), .. arguments], environment);

    /// <summary>Calls any method with any bytes, for at most 15 s.</summary>
    /// <returns>Its response, or the first one of a stream. Null: there is none.</returns>
    public async Task<byte[]?> CallRawAsync(string port, string service, string method, byte[] request)
    {
        var bytes = Marshallers.Create(content => content, content => content);
        var channel = channels.GetOrAdd(port, _ => GrpcChannel.ForAddress(AddressOf(port)));
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(
            new Method<byte[], byte[]>(MethodType.ServerStreaming, service, method, bytes, bytes), null, new(deadline: DateTime.UtcNow.AddSeconds(15)), request);
        return await call.ResponseStream.MoveNext(default) ? call.ResponseStream.Current : null;
    }

    /// <summary>Changes a component file before anything starts.</summary>
    protected virtual string EditComponent(string text) => text;

    /// <summary>Writes the project's dapr.yaml and components with these ports, and creates the folders that they name.</summary>
    private string WriteFiles()
    {
        Directory.CreateDirectory(Components);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Root, "components")))
        {
            var text = File.ReadAllText(file).Replace("localhost:6379", redis?.Address ?? "localhost:1")
                .Replace("http://localhost:9411/api/v2/spans", $"{Zipkin}");
            if (Path.GetFileName(file) == "statestore.yaml")
            {
                var lines = string.Concat(StoreMetadata.Select(one => $"    - name: {one.Key}\n      value: \"{one.Value}\"\n"));
                text = text.Replace("  metadata:\n    -", $"  metadata:\n{lines}    -");
            }
            File.WriteAllText(Path.Combine(Components, Path.GetFileName(file)), EditComponent(text));
        }
        var run = File.ReadAllText(Path.Combine(Root, "dapr.yaml"));
        // The tests of the console start it themselves.
        run = Regex.Replace(run, @"  - appID: console\n(?: {4}.*\n)+", "");
        foreach (var (port, free) in Ports) run = Regex.Replace(run, $@"(?<=: ""?){port}\b", free.ToString());
        run = Regex.Replace(run, @"services/(\w+)", match => folder.CreateSubdirectory(match.Groups[1].Value).FullName);
        run = Regex.Replace(run, @"\.\./\.\./artifacts/bin/(\w+)/release/\w+\.dll", match => ProgramOf(match.Groups[1].Value));
        foreach (var (appId, variables) in EnvironmentByApp)
        {
            var lines = string.Concat(variables.Select(variable => $"      {variable.Key}: \"{variable.Value}\"\n"));
            run = Regex.Replace(run, $@"(?<=  - appID: {appId}\n(?:    .*\n)*?    env:\n)", lines);
        }
        var path = Path.Combine(folder.FullName, "dapr.yaml");
        File.WriteAllText(path, run);
        return path;
    }

    private static bool IsOn(string setting) => !"false".Equals(System.Environment.GetEnvironmentVariable(setting), StringComparison.OrdinalIgnoreCase);

    private static string RootOf([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../.."));
}
