using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Shop;
using Shared;
using StackExchange.Redis;

namespace Bench;

/// <summary>The whole system as ./run.sh starts it, on free ports and with its own Redis, logging warnings only.</summary>
internal sealed class ShopUnderTest : IAsyncDisposable
{
    private static readonly string[] ProjectPorts =
        ["5001", "5002", "5003", "5004", "8080", "8082", "8083", "8084", "50001", "50002", "50003", "50004", "3501", "3502", "3503", "3504"];

    /// <summary>The build configuration of this bench, and of the programs that it measures.</summary>
    private static readonly string Configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));

    private static readonly string[] Problems = ["warn:", "fail:", "crit:", "level=warning", "level=error", "level=fatal"];

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("bench-");

    /// <summary>Of each instance of the services.</summary>
    private readonly Dictionary<string, int>[] ports;
    private readonly int redisPort = FreePort.Take();

    /// <summary>Of Payments behind <see cref="PaymentsLink"/>.</summary>
    private readonly int paymentsPort = FreePort.Take();
    private Process? redis;

    /// <summary>The stand-in, which starts the services. Null: each has a real daprd.</summary>
    private Process? runner;

    /// <summary>The services and their real daprd, by name. Empty with the stand-in.</summary>
    private readonly Dictionary<string, Process> started = [];
    private TraceSink? sink;

    /// <summary>In front of Payments. Null: its sidecar calls it directly.</summary>
    public SlowLink? PaymentsLink { get; private set; }

    private IConnectionMultiplexer? connection;
    private uint turn;

    private ShopUnderTest(int instances) =>
        ports = [.. Enumerable.Range(0, instances).Select(_ => ProjectPorts.ToDictionary(port => port, _ => FreePort.Take()))];

    public IDatabase Redis => connection!.GetDatabase();

    public ShopClients Clients => AllClients[0];

    /// <summary>Those of the next instance of Orders, in turn.</summary>
    public ShopClients NextClients => AllClients[(int)(Interlocked.Increment(ref turn) % AllClients.Count)];

    private IReadOnlyList<ShopClients> AllClients { get; set; } = [];

    /// <summary>By program name; of the second instance "orders 2", and so on.</summary>
    public IReadOnlyDictionary<string, Process> Processes { get; private set; } = new Dictionary<string, Process>();

    /// <summary>From the start of the runner to the response to the first order.</summary>
    public TimeSpan FirstAnswer { get; private set; }

    /// <summary>HTTP addresses of the services, which serve /metrics.</summary>
    public IReadOnlyDictionary<string, string> Metrics => Enumerable.Range(0, ports.Length)
        .SelectMany(at => ((string, string)[])[("orders", "8080"), ("stock", "8082"), ("payments", "8083"), ("coupons", "8084")], (at, service) => (at, service))
        .ToDictionary(one => one.at == 0 ? one.service.Item1 : $"{one.service.Item1} {one.at + 1}", one => GetAddress(one.service.Item2, one.at));

    /// <summary>Number of batches of spans that were sent. Null: traces are off.</summary>
    public long? TraceRequests => sink?.Requests;

    /// <param name="root">The folder of the repository.</param>
    /// <param name="traces">Trace every order, and send the spans of services and sidecars.</param>
    /// <param name="overload">With the limits and timeouts that a shop has by default, also for a burst.</param>
    /// <param name="slowPayments">With a <see cref="PaymentsLink"/>.</param>
    /// <param name="instances">Of each service.</param>
    /// <param name="daprd">The program of a real daprd, which then runs beside each service. Null: the stand-in.</param>
    /// <exception cref="InvalidOperationException">A process has ended; its own output says why.</exception>
    /// <exception cref="TimeoutException">A service is not ready after a minute.</exception>
    public static async Task<ShopUnderTest> StartAsync(string root, bool traces, bool overload, bool slowPayments, int instances, string? daprd)
    {
        var shop = new ShopUnderTest(instances);
        if (traces) shop.sink = new(FreePort.Take());
        // Also when the bench is terminated.
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            foreach (var process in shop.Started) Terminate(process);
        };
        try
        {
            await shop.StartRedisAsync();
            var begun = Stopwatch.GetTimestamp();
            shop.WriteComponents(root, daprd);
            if (daprd is null) shop.StartRunner(root, overload, slowPayments);
            else shop.StartWith(daprd, root, overload);
            if (slowPayments) await shop.StartPaymentsLinkAsync();
            shop.AllClients =
            [
                .. Enumerable.Range(0, instances).Select(at => new ShopClients(
                    shop.GetAddress("5001", at), shop.GetAddress("5002", at), shop.GetAddress("5003", at), shop.GetAddress("5004", at))),
            ];
            await shop.WaitUntilReadyAsync();
            await shop.PlaceFirstAsync();
            shop.FirstAnswer = Stopwatch.GetElapsedTime(begun);
            shop.Processes = shop.FindProcesses();
            return shop;
        }
        catch
        {
            await shop.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (connection is not null) await connection.DisposeAsync();
        // The services need their store until they have stopped.
        foreach (var process in Started)
        {
            Terminate(process);
            await process.WaitForExitAsync();
        }
        sink?.Dispose();
        PaymentsLink?.Dispose();
        folder.Delete(recursive: true);
    }

    /// <summary>Opens a connection whose commands may take half a minute.</summary>
    public async Task<IConnectionMultiplexer> ConnectRedisAsync() => await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{redisPort},allowAdmin=true,asyncTimeout=30000,protocol=resp2");

    /// <summary>In the order in which they are stopped.</summary>
    private IEnumerable<Process> Started => new[] { runner }.Concat(started.Values).Append(redis).OfType<Process>();

    /// <summary>SIGTERM: the runner stops its services.</summary>
    private static void Terminate(Process process)
    {
        if (process.HasExited) return;
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>The runner refuses a port that is taken: the link takes its place once Payments has started.</summary>
    private async Task StartPaymentsLinkAsync()
    {
        while (true)
        {
            using var probe = new TcpClient();
            try
            {
                await probe.ConnectAsync(IPAddress.Loopback, paymentsPort);
                break;
            }
            catch (SocketException) when (runner is { HasExited: false })
            {
                await Task.Delay(50);
            }
        }
        PaymentsLink = new(ports[0]["5003"], paymentsPort);
    }

    /// <exception cref="InvalidOperationException">A process has ended.</exception>
    /// <exception cref="TimeoutException">A service is not ready after a minute.</exception>
    private async Task WaitUntilReadyAsync()
    {
        var ready = Task.WhenAll(AllClients.Select(clients => clients.WaitUntilReadyAsync(TimeSpan.FromSeconds(60), default)));
        if (await Task.WhenAny([ready, .. Started.Select(process => process.WaitForExitAsync())]) != ready)
        {
            var ended = Started.First(process => process.HasExited);
            throw new InvalidOperationException(
                $"{started.FirstOrDefault(one => one.Value == ended).Key ?? (ended == redis ? "redis-server" : "The stand-in for daprd")} has ended with exit code {ended.ExitCode}.");
        }
        await ready;
    }

    private async Task PlaceFirstAsync()
    {
        await Task.WhenAll(
            Clients.Stock.PutProductAsync(new() { ProductId = "first", Name = "First", Price = 1, InitialStock = 1 }).ResponseAsync,
            Clients.Payments.OpenAccountAsync(new() { UserId = "first", InitialDeposit = 1 }).ResponseAsync);
        await Clients.Orders.PlaceOrderAsync(new() { UserId = "first", Items = { new Shop.V1.OrderItem { ProductId = "first", Quantity = 1 } } });
    }

    private async Task StartRedisAsync()
    {
        redis = Process.Start(new ProcessStartInfo("redis-server",
            ["--port", $"{redisPort}", "--bind", "127.0.0.1", "--dir", folder.FullName, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"])
        {
            RedirectStandardOutput = true,
        })!;
        while (await redis.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!line.Contains("Ready to accept connections", StringComparison.Ordinal)) continue;
            _ = redis.StandardOutput.ReadToEndAsync();
            connection = await ConnectRedisAsync();
            return;
        }
        throw new InvalidOperationException("redis-server did not start.");
    }

    private void WriteComponents(string root, string? daprd)
    {
        var components = folder.CreateSubdirectory("components").FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(root, "components")))
        {
            var text = File.ReadAllText(file).Replace("localhost:6379", $"127.0.0.1:{redisPort}");
            text = sink is null
                ? text.Replace("samplingRate: \"1\"", "samplingRate: \"0\"")
                : text.Replace("http://localhost:9411/api/v2/spans", sink.Endpoint);
            if (daprd is not null && Path.GetFileName(file) == "config.yaml") text = RealDaprd.WithNameResolution(text, folder);
            File.WriteAllText(Path.Combine(components, Path.GetFileName(file)), text);
        }
    }

    private void StartWith(string daprd, string root, bool overload)
    {
        foreach (var (at, own) in ports.Index())
        {
            var processes = RealDaprd.GetProcesses(daprd, folder, own, project => Path.Combine(root, $"artifacts/bin/{project}/{Configuration}/{project}.dll"));
            foreach (var (name, start) in processes) started[at == 0 ? name : $"{name} {at + 1}"] = Start(start, overload);
        }
    }

    private void StartRunner(string root, bool overload, bool slowPayments)
    {
        var run = File.ReadAllText(Path.Combine(root, "dapr.yaml"));
        // Without the console, which takes no part in an order.
        run = Regex.Replace(run, @"  - appID: console\n(?: {4}.*\n)+", "");
        var services = run[run.IndexOf("  - appID:", StringComparison.Ordinal)..];
        run = run[..^services.Length] + string.Concat(Enumerable.Range(0, ports.Length).Select(at =>
        {
            var instance = ports[at].Aggregate(services, (text, port) => Regex.Replace(text, $@"(?<=: ""?){port.Key}\b", $"{port.Value}"));
            return Regex.Replace(instance, @"services/(\w+)", match => folder.CreateSubdirectory($"{match.Groups[1].Value}{at + 1}").FullName);
        }));
        run = run.Replace("../../artifacts", Path.Combine(root, "artifacts")).Replace("/release/", $"/{Configuration}/");
        if (slowPayments)
        {
            run = run.Replace("Payments.dll]", $"Payments.dll, --APP_PORT, \"{paymentsPort}\"]");
        }
        var file2 = Path.Combine(folder.FullName, "dapr.yaml");
        File.WriteAllText(file2, run);
        var daprd = Path.Combine(root, $"artifacts/bin/daprd/{Configuration}/daprd.dll");
        runner = Start(new("dotnet", [daprd, "run", "-f", file2, "--names-folder", Path.Combine(folder.FullName, "names")]), overload);
    }

    private Process Start(ProcessStartInfo start, bool overload)
    {
        start.RedirectStandardOutput = true;
        start.Environment["Logging__LogLevel__Default"] = "Warning";
        start.Environment["OTEL_TRACES_EXPORTER"] = sink is null ? "none" : "zipkin";
        start.Environment["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = sink?.Endpoint ?? "";
        if (!overload)
        {
            // Orders that wait in a burst must be accepted, and neither fail nor be resent.
            start.Environment["Saga__Deadline"] = "00:05:00";
            start.Environment["Saga__ResendAfter"] = "00:01:00";
            start.Environment["Saga__OpenOrdersMax"] = "1000000";
        }
        var process = Process.Start(start)!;
        _ = ForwardAsync(process.StandardOutput);
        return process;
    }

    /// <summary>Forwards warnings and errors, of .NET and of daprd.</summary>
    private static async Task ForwardAsync(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            if (Problems.Any(line.Contains)) await Console.Error.WriteLineAsync(line);
        }
    }

    private Dictionary<string, Process> FindProcesses()
    {
        Dictionary<string, Process> found = new(started) { ["redis"] = redis!, ["driver"] = Process.GetCurrentProcess() };
        if (runner is null) return found;
        found["sidecars"] = runner;
        foreach (var child in Directory.EnumerateDirectories("/proc").Select(Path.GetFileName)
            .Where(name => int.TryParse(name, out _))
            .Select(name => int.Parse(name!)))
        {
            if (!File.Exists($"/proc/{child}/cmdline") || !IsChildOfRunner(child)) continue;
            var name = Path.GetFileNameWithoutExtension(
                File.ReadAllText($"/proc/{child}/cmdline").Split('\0').LastOrDefault(word => word.EndsWith(".dll", StringComparison.Ordinal)) ?? "");
            if (name.Length == 0) continue;
            var key = name.ToLowerInvariant();
            for (var number = 2; found.ContainsKey(key); number++) key = $"{name.ToLowerInvariant()} {number}";
            found[key] = Process.GetProcessById(child);
        }
        return found;
    }

    private bool IsChildOfRunner(int child)
    {
        try
        {
            // The parent is the second field after the name, which is in parentheses.
            var stat = File.ReadAllText($"/proc/{child}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == $"{runner!.Id}";
        }
        catch (IOException)
        {
            return false;
        }
    }

    private string GetAddress(string port, int instance = 0) => $"http://localhost:{ports[instance][port]}";
}
