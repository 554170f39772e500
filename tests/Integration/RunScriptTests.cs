using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;
using System.Text.RegularExpressions;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using Grpc.Net.Client;
using Integration.Cli;
using Shop;
using Shop.Audits;
using Shop.V1;

namespace Integration;

/// <summary>
/// ./run.sh in a copy of the repository with other ports. The Dapr that it finds is a script of the test, which logs its arguments and runs the
/// stand-in.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class RunScriptTests : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(3);

    private static readonly string[] ProjectPorts =
        ["6379", "5001", "5002", "5003", "5004", "5005", "8080", "8082", "8083", "8084", "8085", "50001", "50002", "50003", "50004", "50005", "3501", "3502", "3503", "3504", "3505"];

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("it's a run-");
    private readonly Dictionary<string, int> ports = TakePorts();

    public RunScriptTests()
    {
        var components = ((string[])["components", "deploy/engines"])
            .SelectMany(files => Directory.EnumerateFiles(Path.Combine(RunningShop.Root, files), "*", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(RunningShop.Root, path));
        foreach (var file in (string[])["run.sh", "needs.sh", "dapr.yaml", .. components])
        {
            var text = Regex.Replace(File.ReadAllText(Path.Combine(RunningShop.Root, file)), $@"(?<![\d.])({string.Join('|', ProjectPorts)})(?!\d)", match => $"{ports[match.Value]}");
            Write(file, text.Replace("localhost:9411", "localhost:1"), executable: file.EndsWith(".sh", StringComparison.Ordinal));
        }
        foreach (var project in (string[])["Orders", "Stock", "Payments", "Coupons", "Console", "Shop", "daprd"])
        {
            folder.CreateSubdirectory($"artifacts/bin/{project}");
            Directory.CreateSymbolicLink(At($"artifacts/bin/{project}/release"), Path.GetDirectoryName(RunningShop.ProgramOf(project))!);
        }
        foreach (var service in (string[])["Orders", "Stock", "Payments", "Coupons", "Console"]) folder.CreateSubdirectory($"services/{service}");
        // Skips the build, and passes these ports to the command line.
        Write("bin/dotnet", $"""
            #!/bin/bash
            PATH=${"{PATH#*:}"}
            case "$1" in
              build) exit 0 ;;
              */Shop.dll) case "$*" in *--orders*) exec dotnet "$@" ;; esac; exec dotnet "$@" --orders http://localhost:{ports["5001"]} --stock http://localhost:{ports["5002"]} --payments http://localhost:{ports["5003"]} --coupons http://localhost:{ports["5004"]} ;;
              *) exec dotnet "$@" ;;
            esac
            """, executable: true);
    }

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task Under_Dapr_the_shop_starts_accepts_orders_and_stops_completely()
    {
        InstallDapr("home/.dapr/bin/daprd");
        await using var run = Run();
        await run.LineAsync("Running under Dapr: daprd 9.8.7, dapr 9.8.6.");
        await run.LineAsync("Status: Running");
        await run.LineAsync("Ctrl-C stops everything.");
        Assert.Equal(["run -f dapr.yaml"], Calls);
        Assert.True(await IsOpenAsync("6379"), "Redis was not started.");

        using var http = new HttpClient { BaseAddress = new($"http://localhost:{ports["8080"]}") };
        const string Order = """{"items":[{"productId":1,"quantity":2}],"userCouponId":123,"recipientName":"홍길동","shippingAddress":"서울시 강남구","shippingPhone":"010-1234-5678"}""";
        var placed = await http.PostAsync("/api/orders/choreography/mina", new StringContent(Order, Encoding.UTF8, "application/json"));
        Assert.True(placed.StatusCode == HttpStatusCode.Created, await placed.Content.ReadAsStringAsync());
        Assert.Contains("main.js", await http.GetStringAsync($"http://localhost:{ports["8085"]}/"));

        run.Signal("INT");
        await run.Ended.WaitAsync(Timeout);
        Assert.Equal(130, await run.ExitAsync());
        foreach (var port in ProjectPorts) Assert.False(await IsOpenAsync(port), $"{port} is still open.");
        Assert.NotEmpty(Directory.GetFiles(At("services/Orders/.dapr/logs"), "orders_app_*.log"));
    }

    [Fact]
    public async Task Under_Dapr_the_demo_passes_with_a_running_Redis_and_a_daprd_from_the_path()
    {
        InstallDapr("bin/daprd");
        await using var redis = ChildProcess.Start("redis-server", ["--port", $"{ports["6379"]}", "--bind", "127.0.0.1", "--dir", folder.FullName, "--save", ""]);
        await redis.LineAsync("Ready to accept connections");
        await using var run = Run("demo", "--json");
        Assert.True(await GetExitCodeAsync(run) == 0, run.Output);
        Assert.Contains("Running under Dapr: daprd 9.8.7, dapr 9.8.6.", run.Output);
        Assert.Equal(["run -f dapr.yaml"], Calls);
        // The folder in which 'dapr run' looks for it.
        Assert.Equal(At("bin/daprd"), File.ResolveLinkTarget(At(".data/.dapr/bin/daprd"), returnFinalTarget: true)?.FullName);
        Assert.True(await IsOpenAsync("6379"));
        Assert.False(File.Exists(At(".data/redis.log")));
        Assert.NotEmpty(File.ReadAllText(At(".data/demo.log")));
    }

    [Fact]
    public async Task The_demo_passes_with_the_stand_in_and_without_Redis()
    {
        InstallDapr("home/.dapr/bin/daprd");
        await using var run = Run("--embedded", "demo");
        Assert.True(await GetExitCodeAsync(run) == 0, run.Output);
        Assert.Contains("All 8 scenarios went as promised.", run.Output);
        Assert.Matches(@"Running with the stand-in for Dapr .*\d+\.\d+\.\d+", run.Output);
        Assert.Empty(Calls);
    }

    [Fact]
    public async Task Two_instances_of_each_service_share_the_orders_and_each_shows_what_the_other_does()
    {
        using var limit = new CancellationTokenSource(Timeout);
        await using var run = Run("--standin", "--instances", "2");
        await run.LineAsync("Ctrl-C stops everything.");
        ShopClients first = ClientsOf(0), second = ClientsOf(100);
        await first.Payments.DepositAsync(new() { UserId = "mina", Amount = 100_000_000 });
        await first.Stock.AdjustStockAsync(new() { ProductId = "mouse", Delta = 1_000 });

        // The console follows one of the instances, and each of the streams sees what both do.
        using var http = new HttpClient();
        await using var page = await http.GetStreamAsync($"http://localhost:{ports["8085"]}/api/console/events", limit.Token);
        using var all = first.Orders.WatchOrders(new(), cancellationToken: limit.Token);
        Assert.True(await all.ResponseStream.MoveNext(limit.Token));
        string[] placed = [await PlaceAsync(first), await PlaceAsync(second)];
        using var one = first.Orders.WatchOrder(new() { Order = placed[1] }, cancellationToken: limit.Token);
        var events = await one.ResponseStream.ReadAllAsync(limit.Token).Select(change => change.Entry.Event).ToListAsync(limit.Token);
        Assert.Equal(("order-created", "order-confirmed"), (events[0], events[^1]));
        var (sum, closed) = (new WatchOrdersResponse(), new HashSet<string>());
        while (closed.Count < 2 || sum.Open > 0)
        {
            Assert.True(await all.ResponseStream.MoveNext(limit.Token));
            var seen = all.ResponseStream.Current;
            closed.UnionWith(seen.Orders.Where(order => order.IsClosed).Select(order => order.OrderId));
            (sum.Placed, sum.Confirmed, sum.Failed, sum.Open) =
                (sum.Placed + seen.Placed, sum.Confirmed + seen.Confirmed, sum.Failed + seen.Failed, seen.Open);
        }
        Assert.Equal((2, 2, 0), (sum.Placed, sum.Confirmed, sum.Failed));
        Assert.Equal(placed.Order(), closed.Order());
        using var lines = new StreamReader(page);
        for (var shown = ""; !placed.All(shown.Contains);) shown += await lines.ReadLineAsync(limit.Token);

        // Redis gives an event to the one that waits longest, and calls go to the instances in turn.
        string[] services = ["Orders", "Stock", "Payments", "Coupons"];
        await Poll.UntilAsync(async () =>
        {
            await PlaceAsync(second);
            return services[..3].All(service => LogOf($"services/{service}").Contains(" order ") && LogOf($".data/instances/2/{service}").Contains(" order "));
        });
        var audit = await AuditRunner.RunAsync(second, TimeSpan.FromMinutes(1), _ => { }, limit.Token);
        Assert.All(audit, invariant => Assert.True(invariant.State is InvariantState.Holds or InvariantState.UnderWay, $"{invariant}"));

        run.Signal("INT");
        Assert.Equal(130, await GetExitCodeAsync(run));
        foreach (var port in ProjectPorts) Assert.False(await IsOpenAsync(port) || await IsOpenAsync(port, 100), $"{port} is still open.");

        ShopClients ClientsOf(int more)
        {
            string[] addresses = [.. ((string[])["5001", "5002", "5003", "5004"]).Select(port => $"http://localhost:{ports[port] + more}")];
            return new(addresses[0], addresses[1], addresses[2], addresses[3]);
        }

        static async Task<string> PlaceAsync(ShopClients clients) => (await clients.Orders.PlaceOrderAsync(
            new() { UserId = "mina", Items = { new OrderItem { ProductId = "mouse", Quantity = 1 } } })).Order.OrderId;

        string LogOf(string service) => string.Concat(Directory.GetFiles(At($"{service}/.dapr/logs"), "*_app_*.log").Select(File.ReadAllText));
    }

    [Theory]
    [InlineData(true, "--standin")]
    [InlineData(false, null)]
    public async Task The_stand_in_is_used_when_requested_or_when_Dapr_is_not_initialized_and_an_interrupted_start_leaves_nothing_running(bool initialized, string? flag)
    {
        InstallDapr(initialized ? "home/.dapr/bin/daprd" : null);
        await using var run = Run([.. flag is null ? [] : (string[])[flag]]);
        await run.LineAsync("Running with the stand-in for Dapr");
        Assert.Equal(!initialized, run.Output.Contains("'dapr init'") && run.Output.Contains("--standin"));
        run.Signal("INT");
        await run.Ended.WaitAsync(Timeout);
        Assert.Equal(130, await run.ExitAsync());
        Assert.Empty(Calls);
        foreach (var port in ProjectPorts) Assert.False(await IsOpenAsync(port), $"{port} is still open.");
    }

    [Fact]
    public async Task A_dapr_run_that_ends_early_is_reported_with_exit_code_and_advice()
    {
        InstallDapr("home/.dapr/bin/daprd", run: "echo 'something is missing'; exit 7");
        var begun = Stopwatch.GetTimestamp();
        await using var run = Run("demo");
        Assert.Equal(1, await GetExitCodeAsync(run));
        Assert.Contains("'dapr run' has ended with exit code 7", run.Output);
        Assert.Contains("./run.sh --standin", run.Output);
        Assert.Contains("something is missing", run.Output);
        // A command that still waited for the shop would have kept the output open for a minute.
        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.Zero, TimeSpan.FromSeconds(40));
        Assert.False(await IsOpenAsync("6379"));
    }

    [Theory]
    [InlineData("rabbitmq-postgresql", false)]
    [InlineData("rabbitmq-redis", true)]
    public async Task With_an_engine_Dapr_gets_its_component_files_and_Redis_is_started_only_for_those_that_name_it(string engine, bool needsRedis)
    {
        // Takes the place of the shop, which no broker here could serve.
        InstallDapr("home/.dapr/bin/daprd", run: "exit 7");
        await using var run = RunWith(new() { ["ENGINE"] = engine });
        Assert.Equal(1, await GetExitCodeAsync(run));
        Assert.Contains($"Running under Dapr: daprd 9.8.7, dapr 9.8.6, on deploy/engines/{engine}.", run.Output);
        Assert.Equal(["run -f .data/instances/dapr.yaml"], Calls);
        Assert.Equal(needsRedis, File.Exists(At(".data/redis.log")));
        Assert.Equal($"deploy/engines/{engine}", File.ReadAllText(At(".data/components")).Trim());

        var runFile = File.ReadAllText(At(".data/instances/dapr.yaml"));
        var folder = Regex.Match(runFile, @"resourcesPaths: \[(.*)\]").Groups[1].Value;
        Assert.Equal(At($"deploy/engines/{engine}"), Path.GetFullPath(folder, At(".data/instances")));
        Assert.All(Regex.Matches(runFile, "(?:configFilePath|appDirPath): (.*)"),
            path => Assert.True(Path.Exists(Path.GetFullPath(path.Groups[1].Value, At(".data/instances"))), path.Value));
        Assert.Equal(
            File.ReadAllText(At("dapr.yaml")).Replace("[components]", $"[deploy/engines/{engine}]"),
            runFile.Replace("../../components/", "components/").Replace("../../services/", "services/").Replace("../../deploy/", "deploy/"));
    }

    [Theory]
    [InlineData("rabbitmq", true, null,
        "ENGINE is 'rabbitmq', and deploy/engines has: kafka-postgresql rabbitmq-postgresql rabbitmq-redis redis-postgresql.")]
    [InlineData("../../components", true, null, "ENGINE is '../../components', and deploy/engines has: ")]
    [InlineData("rabbitmq-redis", true, "--standin", "ENGINE=rabbitmq-redis needs Dapr: the stand-in for it has only Redis and memory.")]
    [InlineData("rabbitmq-redis", true, "--embedded", "ENGINE=rabbitmq-redis needs Dapr: the stand-in for it has only Redis and memory.")]
    [InlineData("rabbitmq-redis", false, null, "ENGINE=rabbitmq-redis needs Dapr: the stand-in for it has only Redis and memory.")]
    public async Task An_engine_that_cannot_be_had_is_refused_in_a_sentence(string engine, bool hasDapr, string? flag, string sentence)
    {
        if (hasDapr) InstallDapr("home/.dapr/bin/daprd");
        await using var run = RunWith(new() { ["ENGINE"] = engine }, [.. flag is null ? [] : (string[])[flag]]);
        Assert.Equal(1, await GetExitCodeAsync(run));
        Assert.StartsWith(sentence, run.Output);
        Assert.Single(run.Output.Trim().Split('\n'));
        Assert.Empty(Calls);
        Assert.False(await IsOpenAsync("6379"));
    }

    [Theory]
    [InlineData("DAPR_API_TOKEN", "APP_API_TOKEN")]
    [InlineData("APP_API_TOKEN", "DAPR_API_TOKEN")]
    public async Task A_missing_token_is_generated_alone_and_the_file_is_its_owners(string given, string missing)
    {
        const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        // As an older start may have left it.
        Write(".data/tokens", "", executable: false);
        File.SetUnixFileMode(At(".data/tokens"), OwnersOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await using var run = RunWith(new() { [given] = "it's $given" }, "--embedded");
        await run.LineAsync("Ctrl-C stops everything.");

        Assert.Equal(OwnersOnly, File.GetUnixFileMode(At(".data/tokens")));
        var sourced = await CliRun.RunAsync("bash", ["-c", $". '{At(".data/tokens").Replace("'", @"'\''")}'; echo \"$DAPR_API_TOKEN\"; echo \"$APP_API_TOKEN\""]);
        var tokens = ((string[])["DAPR_API_TOKEN", "APP_API_TOKEN"]).Zip(sourced.Output.Trim().Split('\n')).ToDictionary(one => one.First, one => one.Second);
        Assert.Equal("it's $given", tokens[given]);
        Assert.Matches("^[0-9a-f]{48}$", tokens[missing]);

        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.Unauthorized, await AskSidecarAsync(null));
        Assert.Equal(HttpStatusCode.OK, await AskSidecarAsync(tokens["DAPR_API_TOKEN"]));
        using var channel = GrpcChannel.ForAddress($"http://localhost:{ports["5002"]}");
        var refused = await Assert.ThrowsAsync<RpcException>(
            async () => await new AppCallback.AppCallbackClient(channel).OnTopicEventAsync(new() { Topic = "order-created" }));
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);

        async Task<HttpStatusCode> AskSidecarAsync(string? token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://localhost:{ports["3502"]}/v1.0/metadata");
            if (token is not null) request.Headers.Add("dapr-api-token", token);
            using var answer = await http.SendAsync(request);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task A_second_run_in_the_folder_names_the_first_and_does_not_disturb_it_also_when_that_was_killed()
    {
        await using var first = Run("--embedded");
        await first.LineAsync("Ctrl-C stops everything.");
        var tokens = File.ReadAllText(At(".data/tokens"));
        await using (var second = Run("--embedded"))
        {
            Assert.Equal(1, await GetExitCodeAsync(second));
            Assert.Contains($"is running in this folder already, as process {first.Id}.", second.Output);
            Assert.Contains($"kill {first.Id}", second.Output);
        }
        Assert.Equal(tokens, File.ReadAllText(At(".data/tokens")));
        Assert.True(await IsOpenAsync("5001"));

        first.Signal("KILL");
        for (var until = DateTime.UtcNow + Timeout; HasOpenFiles(first.Id); await Task.Delay(20)) Assert.True(DateTime.UtcNow < until);
        await using var third = Run("--embedded");
        Assert.Equal(1, await GetExitCodeAsync(third));
        Assert.Equal(tokens, File.ReadAllText(At(".data/tokens")));
        var left = Assert.Single(Regex.Matches(third.Output, @"and start again: kill (\d+)$", RegexOptions.Multiline)).Groups[1].Value;
        Assert.Matches($@"(?m)^  {left}  dotnet .*daprd\.dll run -f dapr\.yaml --embedded", third.Output);
        await ChildProcess.Start("kill", [left]).ExitAsync();
        await first.Ended.WaitAsync(Timeout);
        foreach (var port in ProjectPorts) Assert.False(await IsOpenAsync(port), $"{port} is still open.");
    }

    [Fact]
    public async Task The_build_finds_its_output_in_a_folder_with_an_apostrophe()
    {
        foreach (var file in (string[])["Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props", "global.json"])
        {
            Write(file, File.ReadAllText(Path.Combine(RunningShop.Root, file)), executable: false);
        }
        Write("probe/Probe.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <ItemGroup><Probed Include="a;b" /></ItemGroup>
              <Target Name="Probe"><Message Importance="high" Text="@(Probed->'$(OutDir)%(Filename)', '|')" /></Target>
            </Project>
            """, executable: false);
        var probe = await CliRun.RunAsync("dotnet", ["msbuild", At("probe/Probe.csproj"), "-t:Probe", "-nologo", "-nodeReuse:false"]);
        Assert.True(probe.Exit == 0, $"{probe}");
        var output = At("artifacts/bin/Probe/debug/");
        Assert.Equal($"{output}a|{output}b", probe.Output.Trim());
    }

    [Fact]
    public async Task An_unknown_argument_is_refused_with_the_known_ones()
    {
        await using var run = Run("--stand-in");
        Assert.Equal(1, await GetExitCodeAsync(run));
        Assert.Contains("--standin", run.Output);
        await using var json = Run("--json");
        Assert.Equal(1, await GetExitCodeAsync(json));
        Assert.Contains("./run.sh demo --json", json.Output);
        await using var help = Run("--help");
        Assert.Equal(0, await GetExitCodeAsync(help));
        Assert.All((string[])["demo", "--json", "--standin", "--embedded", "--instances", "ENGINE=rabbitmq-postgresql"], word => Assert.Contains(word, help.Output));
        Assert.DoesNotContain("set -euo", help.Output);
    }

    [Fact]
    public async Task The_doctor_finds_no_problem_without_Redis_and_names_the_process_of_a_sidecar_with_another_token()
    {
        await using var run = Run("--embedded");
        await run.LineAsync("Ctrl-C stops everything.");
        var token = File.ReadAllLines(At(".data/tokens"))[0];
        CliRun healthy = null!;
        await Poll.UntilAsync(async () => (healthy = await DoctorAsync(token)).Exit == 0, () => $"{healthy}");
        Assert.DoesNotContain(healthy.Json.EnumerateArray(), about => about.GetProperty("of").GetString()!.StartsWith("Redis", StringComparison.Ordinal));

        var foreign = await DoctorAsync("DAPR_API_TOKEN=another");
        Assert.Equal(1, foreign.Exit);
        var advice = foreign.Json.EnumerateArray().Single(about => about.GetProperty("of").GetString() == "stock sidecar").GetProperty("advice").GetString()!;
        var owner = Regex.Match(advice, @"end process (\d+) \(dotnet .*\) with kill \1 ");
        Assert.True(owner.Success, advice);
        Assert.Contains("daprd.dll", File.ReadAllText($"/proc/{owner.Groups[1].Value}/cmdline"));
    }

    /// <summary>Ports that are free, and those 100 above them, which a second instance has. Other tests have theirs above 20,000.</summary>
    private static Dictionary<string, int> TakePorts()
    {
        while (true)
        {
            var first = Random.Shared.Next(10_000, 19_800);
            var taken = ProjectPorts.Select((port, at) => (port, at)).ToDictionary(one => one.port, one => first + one.at);
            if (!taken.Values.Any(port => IsTaken(port) || IsTaken(port + 100))) return taken;
        }
    }

    private static bool IsTaken(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private Task<CliRun> DoctorAsync(string token) => CliRun.RunAsync("env",
    [
        token, "dotnet", RunningShop.ProgramOf("Shop"), "doctor", "--json", "--components", At("components"),
        .. ((string[])["orders", "stock", "payments", "coupons"]).SelectMany((service, at) => (string[])
        [
            $"--{service}", $"http://localhost:{ports[$"500{at + 1}"]}", $"--{service}-sidecar", $"http://localhost:{ports[$"5000{at + 1}"]}",
            $"--{service}-sidecar-http", $"http://localhost:{ports[$"350{at + 1}"]}",
        ]),
    ]);

    private static bool HasOpenFiles(int process)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Any();
        }
        catch (Exception ended) when (ended is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The arguments of each call of 'dapr' except --version.</summary>
    private string[] Calls => File.Exists(At("calls")) ? File.ReadAllLines(At("calls")) : [];

    private string At(string path) => Path.Combine(folder.FullName, path);

    private ChildProcess Run(params IEnumerable<string> words) => RunWith([], words);

    private ChildProcess RunWith(Dictionary<string, string> environment, params IEnumerable<string> words)
    {
        // Without the Dapr of this machine.
        environment["PATH"] = string.Join(':', [At("bin"), .. Environment.GetEnvironmentVariable("PATH")!.Split(':').Where(path => !File.Exists(Path.Combine(path, "daprd")))]);
        environment["HOME"] = At("home");
        environment["OTEL_TRACES_EXPORTER"] = "none";
        environment["Saga__DrainDelay"] = "0s";
        return ChildProcess.Start(At("run.sh"), words, environment);
    }

    /// <param name="daprd">Path of a daprd to create. Null: none.</param>
    private void InstallDapr(string? daprd, string run = "exec dotnet artifacts/bin/daprd/release/daprd.dll \"$@\"")
    {
        Write("bin/dapr", $"""
            #!/bin/bash
            if [ "$1" = --version ]; then printf 'CLI version: 9.8.6 \nRuntime version: 9.8.7\n'; exit; fi
            echo "$@" >>"{At("calls")}"
            {run}
            """, executable: true);
        if (daprd is not null) Write(daprd, "#!/bin/sh\n[ \"$1\" = --version ] && echo 9.8.7\n", executable: true);
    }

    private static async Task<int> GetExitCodeAsync(ChildProcess run)
    {
        await run.Ended.WaitAsync(Timeout);
        return await run.ExitAsync();
    }

    private async Task<bool> IsOpenAsync(string port, int more = 0)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, ports[port] + more);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private void Write(string path, string text, bool executable)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
        File.WriteAllText(At(path), text);
        if (executable) File.SetUnixFileMode(At(path), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
