using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Integration;

/// <summary>Starting and stopping: a wrong configuration is reported in one sentence before any process starts, and no process remains.</summary>
public sealed class StartTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("start-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_signal_stops_all_started_processes()
    {
        var shop = new StoppedShop();
        await shop.InitializeAsync();
        var started = GetDescendants(shop.Runner.Id);
        Assert.InRange(started.Count, 4, 8);
        await shop.DisposeAsync();
        await Poll.UntilAsync(() => started.All(id => !Directory.Exists($"/proc/{id}") || IsZombie(id)));
    }

    [Fact]
    public async Task A_taken_port_is_reported_with_its_app()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await AssertRefusedAsync(Run($"    appPort: {port}"), $"{port}", "orders");
    }

    [Fact]
    public async Task An_unreachable_Redis_is_reported_with_advice()
    {
        Component($"redisHost\n      value: localhost:{FreePort.Take()}");
        await AssertRefusedAsync(Run(""), "Redis", "redis-server");
    }

    [Fact]
    public async Task A_malformed_component_file_is_reported_with_its_line()
    {
        Component("redisHost\n      value: [oops");
        await AssertRefusedAsync(Run(""), "store.yaml", "line");
    }

    [Theory]
    [InlineData("redisHost\n      value: localhost:99999", "99999")]
    [InlineData("redisHost\n      value: localhost:abc", "abc")]
    public async Task A_Redis_that_cannot_be_is_reported(string host, string name)
    {
        Component(host);
        await AssertRefusedAsync(Run(""), name);
    }

    [Theory]
    [InlineData("    appPort: 99999", "must be 1 to 65535, not 99999")]
    [InlineData("    appPort: -1", "must be 1 to 65535, not -1")]
    [InlineData("    env: {? [a, b] : c}", "a name is expected as the key of each value")]
    public async Task A_value_that_no_run_can_have_is_reported(string field, string sentence) => await AssertRefusedAsync(Run(field), sentence);

    [Fact]
    public async Task A_missing_run_file_is_reported()
    {
        await AssertRefusedAsync(Path.Combine(folder.FullName, "nothing.yaml"), "nothing.yaml");
    }

    [Fact]
    public async Task A_service_reports_a_taken_port_in_one_sentence()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await using var stock = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Stock")], new Dictionary<string, string> { ["APP_PORT"] = $"{port}", ["HTTP_PORT"] = $"{FreePort.Take()}" });
        Assert.Equal(1, await stock.ExitAsync());
        Assert.Contains($"{port}", stock.Output);
        Assert.Contains("APP_PORT", stock.Output);
        Assert.DoesNotContain("   at ", stock.Output);
    }

    [Theory]
    [InlineData("Saga__Deadline", "60")]
    [InlineData("Saga__SweepPeriod", "00:00:00")]
    [InlineData("Saga__ResendAfter", "-1s")]
    [InlineData("Saga__BulkSubscribe", "maybe")]
    [InlineData("Saga__Batching", "on")]
    [InlineData("Saga__Caching", "off")]
    [InlineData("Saga__DeadLine2", "60s")]
    [InlineData("APP_PORT", "70000")]
    [InlineData("HTTP_PORT", "http")]
    [InlineData("DAPR_GRPC_PORT", "none")]
    [InlineData("DAPR_API_TOKEN", "schlüssel")]
    [InlineData("Saga__Steps", "stock,stock-reservation")]
    [InlineData("DAPR_GRPC_ENDPOINT", "localhost:50001")]
    [InlineData("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "localhost")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url")]
    public async Task A_service_reports_a_wrong_setting_in_one_sentence(string name, string value)
    {
        await using var orders = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Orders")], new Dictionary<string, string> { [name] = value });
        Assert.Equal(1, await orders.ExitAsync());
        Assert.StartsWith($"{name} ", Assert.Single(orders.Output.Trim().Split('\n')));
    }

    [Theory]
    [InlineData("Logging__LogLevel__Default=Loud")]
    [InlineData("OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_HEADERS=broken")]
    [InlineData("Kestrel__Endpoints__More__Url=garbage")]
    [InlineData("Kestrel__Endpoints__More__Url=http://localhost:99999")]
    [InlineData("ASPNETCORE_PREFERHOSTINGURLS=true", "ASPNETCORE_URLS=https://localhost:PORT")]
    public async Task A_wrong_setting_of_a_library_ends_in_a_sentence_too(params string[] settings)
    {
        var environment = settings.Select(setting => setting.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1].Replace("PORT", $"{FreePort.Take()}"));
        foreach (var variable in (string[])["APP_PORT", "HTTP_PORT"]) environment[variable] = $"{FreePort.Take()}";
        await using var stock = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Stock")], environment);
        Assert.Equal(1, await stock.ExitAsync());
        Assert.Single(stock.Output.Split('\n'), line => line.StartsWith("The service cannot start, because of a setting or of what it names: ", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", stock.Output);
    }

    [Theory]
    [InlineData("Kestrel__Endpoints__More__Url=http://0.0.0.0:PORT")]
    [InlineData("Kestrel__Endpoints__More__Url=http://[::]:PORT")]
    [InlineData("ASPNETCORE_PREFERHOSTINGURLS=true", "ASPNETCORE_URLS=http://0.0.0.0:PORT")]
    [InlineData("PREFERHOSTINGURLS=true", "URLS=http://localhost:PORT;http://*:PORT")]
    [InlineData("ASPNETCORE_PREFERHOSTINGURLS=true", "ASPNETCORE_HTTP_PORTS=PORT")]
    public async Task A_service_that_does_not_say_whom_it_authenticates_listens_on_this_machine_only(params string[] settings)
    {
        var port = $"{FreePort.Take()}";
        var environment = settings.Select(setting => setting.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1].Replace("PORT", port));
        foreach (var variable in (string[])["APP_PORT", "HTTP_PORT"]) environment[variable] = $"{FreePort.Take()}";
        await using var stock = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Stock")], environment);
        Assert.Equal(1, await stock.ExitAsync());
        var sentence = Assert.Single(stock.Output.Split('\n'), line => line.StartsWith("Auth__Mode must be set", StringComparison.Ordinal));
        Assert.Contains($":{port}", sentence);
        Assert.DoesNotContain("   at ", stock.Output);
        Assert.DoesNotContain("Now listening", stock.Output);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("none")]
    public async Task A_service_that_authenticates_no_callers_says_so_once(string? mode)
    {
        var port = FreePort.Take();
        var settings = new Dictionary<string, string>
        {
            ["APP_PORT"] = $"{port}",
            ["HTTP_PORT"] = $"{FreePort.Take()}",
            // As from a file with spaces around the value.
            ["DAPR_GRPC_PORT"] = $" {FreePort.Take()} ",
            ["DAPR_API_TOKEN"] = " token ",
            ["DAPR_HTTP_PORT"] = $"{FreePort.Take()}",
            ["OTEL_TRACES_EXPORTER"] = "none",
        };
        if (mode is not null) settings["Auth__Mode"] = mode;
        await using var stock = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Stock")], settings);
        var warning = await stock.LineAsync("Callers are not authenticated (Auth__Mode=none)");
        Assert.Contains(" warn: ", warning);
        // It listens, and has started.
        for (var until = DateTime.UtcNow.AddSeconds(30); !await IsOpenAsync(port); await Task.Delay(20)) Assert.True(DateTime.UtcNow < until, stock.Output);
        Assert.Equal(1, stock.Output.Split('\n').Count(line => line.Contains("Callers are not authenticated", StringComparison.Ordinal)));
        Assert.DoesNotContain("Exception", stock.Output);
    }

    /// <summary>Its sidecar calls it at 127.0.0.1.</summary>
    [Theory]
    [InlineData("shop.example.com", "quantity")]
    [InlineData("127.0.0.1", "quantity")]
    [InlineData("other.example.com", "Invalid Hostname")]
    public async Task A_proxy_on_the_same_machine_has_the_console_under_an_allowed_name(string host, string problem)
    {
        using var answer = await OrderThroughProxyAsync(host, ("ASPNETCORE_FORWARDEDHEADERS_ENABLED", "true"), ("AllowedHosts", "shop.example.com"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(problem, await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("true", HttpStatusCode.BadRequest)]
    [InlineData("false", HttpStatusCode.Forbidden)]
    public async Task A_console_behind_a_proxy_that_ends_TLS_knows_its_own_page(string forwardedHeaders, HttpStatusCode status)
    {
        using var answer = await OrderThroughProxyAsync("localhost", ("ASPNETCORE_FORWARDEDHEADERS_ENABLED", forwardedHeaders));
        Assert.Equal(status, answer.StatusCode);
    }

    /// <summary>The page is at https, and the proxy asks the console over http.</summary>
    private static async Task<HttpResponseMessage> OrderThroughProxyAsync(string host, params (string Name, string Value)[] settings)
    {
        var port = FreePort.Take();
        var environment = settings.ToDictionary(setting => setting.Name, setting => setting.Value);
        environment["HTTP_PORT"] = $"{port}";
        environment["OTEL_TRACES_EXPORTER"] = "none";
        foreach (var variable in (string[])["APP_PORT", "DAPR_GRPC_PORT", "DAPR_HTTP_PORT"]) environment[variable] = $"{FreePort.Take()}";
        await using var console = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Console")], environment);
        await console.LineAsync("Application started");
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://localhost:{port}/api/console/orders")
        {
            // An order form with nothing in it, which is looked at only when the page may send it.
            Content = new StringContent("{}", Encoding.UTF8, "application/json"),
            Headers = { { "Host", host }, { "Origin", $"https://{host}" }, { "X-Forwarded-Proto", "https" } },
        };
        return await http.SendAsync(request);
    }

    private static async Task<bool> IsOpenAsync(int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private sealed class StoppedShop() : RunningShop(embedded: true);

    private static async Task AssertRefusedAsync(string runFile, params string[] names)
    {
        await using var runner = RunningShop.Daprd(["run", "-f", runFile]);
        Assert.Equal(1, await runner.ExitAsync());
        Assert.All(names, name => Assert.Contains(name, runner.Output));
        Assert.DoesNotContain("   at ", runner.Output);
        Assert.InRange(runner.Output.Trim().Split('\n').Length, 1, 2);
    }

    private void Component(string host) => File.WriteAllText(Path.Combine(folder.FullName, "store.yaml"), $"""
        apiVersion: dapr.io/v1alpha1
        kind: Component
        metadata:
          name: statestore
        spec:
          type: state.redis
          version: v1
          metadata:
            - name: {host}
        """);

    private string Run(string more)
    {
        var path = Path.Combine(folder.FullName, "dapr.yaml");
        File.WriteAllText(path, $"""
            version: 1
            apps:
              - appID: orders
                appDirPath: {folder.FullName}
                resourcesPaths: [{folder.FullName}]
                daprGRPCPort: {FreePort.Take()}
                daprHTTPPort: {FreePort.Take()}
                command: [sleep, "1000"]
            {more}
            """);
        return path;
    }

    private static List<int> GetDescendants(int parent)
    {
        var children = Process.GetProcesses().Select(process => process.Id).Where(id => GetParent(id) == parent).ToList();
        return [.. children, .. children.SelectMany(GetDescendants)];
    }

    private static int? GetParent(int id) => ReadStat(id) is { } stat ? int.Parse(stat[1]) : null;

    private static bool IsZombie(int id) => ReadStat(id) is not { } stat || stat[0] == "Z";

    /// <summary>State, parent and the fields after them in /proc/id/stat.</summary>
    private static string[]? ReadStat(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }
}
