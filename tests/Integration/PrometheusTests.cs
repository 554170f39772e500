using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Integration.Cli;
using Shop;

namespace Integration;

/// <summary>The alerts and the dashboard, in the Prometheus of Debian.</summary>
[Collection(nameof(OnRedis))]
public sealed class PrometheusTests(RunningShop shop) : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(3);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("prometheus-");
    private readonly HttpClient http = new();

    public void Dispose()
    {
        http.Dispose();
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("test", "rules", "prometheus-rules.test.yaml")]
    [InlineData("check", "config", "prometheus.yaml")]
    public async Task Promtool_accepts(string verb, string what, string file)
    {
        var run = await CliRun.RunAsync(await FindAsync("promtool"), [verb, what, Path.Combine(RunningShop.Root, "deploy", file)]);
        Assert.True(run.Exit == 0, $"{run}");
        Assert.Contains("SUCCESS", run.Output);
    }

    [Fact]
    public async Task Every_query_of_the_board_has_a_result_and_every_alert_is_evaluated()
    {
        var port = FreePort.Take();
        await using var prometheus = ChildProcess.Start(await FindAsync("prometheus"),
        [
            "--config.file", WriteConfiguration(), "--storage.tsdb.path", Path.Combine(folder.FullName, "data"),
            "--web.listen-address", $"127.0.0.1:{port}",
        ]);
        http.BaseAddress = new($"http://127.0.0.1:{port}/api/v1/");
        await prometheus.LineAsync("Server is ready to receive web requests.");
        try
        {
            await CheckAsync();
        }
        finally
        {
            prometheus.Signal("TERM");
            await prometheus.ExitAsync();
        }
    }

    private async Task CheckAsync()
    {
        // Grafana replaces it by some scrape intervals.
        var left = DashboardQueries().Select(query => query.Replace("$__rate_interval", "15s", StringComparison.Ordinal)).ToHashSet();
        Assert.True(left.Count >= 15, $"The dashboard has only {left.Count} queries.");
        for (var until = DateTime.UtcNow + Timeout; left.Count > 0; )
        {
            Assert.True(DateTime.UtcNow < until, $"Without a result: {string.Join('\n', left)}");
            // A rate needs two samples, the second after something has happened.
            foreach (var scenario in (string[])["success", "out of stock"]) await RunScenarioAsync(scenario);
            foreach (var query in left.ToArray()) if (await HasResultAsync(query)) left.Remove(query);
        }
        // One that answers late was down for a scrape.
        await Poll.UntilAsync(async () => (await AskAsync("query?query=up == 1")).GetProperty("result").GetArrayLength() == 4);

        var alerts = (await AskAsync("rules")).GetProperty("groups").EnumerateArray()
            .SelectMany(group => group.GetProperty("rules").EnumerateArray()).ToArray();
        Assert.NotEmpty(alerts);
        Assert.All(alerts, alert => Assert.Equal(("ok", false),
            (alert.GetProperty("health").GetString(), alert.GetProperty("state").GetString() == "firing")));
    }

    /// <summary>The project's own, for the ports of this shop, which has no console.</summary>
    private string WriteConfiguration()
    {
        var text = File.ReadAllText(Path.Combine(RunningShop.Root, "deploy/prometheus.yaml"));
        foreach (var port in (string[])["8080", "8082", "8083", "8084"])
        {
            Assert.Contains($"localhost:{port}", text);
            text = text.Replace($"localhost:{port}", new Uri(shop.AddressOf(port)).Authority, StringComparison.Ordinal);
        }
        text = Regex.Replace(text, @"  - job_name: console\n    .*\n", "");
        text = Regex.Replace(text, "(scrape|evaluation)_interval: 5s", "$1_interval: 1s")
            .Replace("[prometheus-rules.yaml]", $"[{Path.Combine(RunningShop.Root, "deploy/prometheus-rules.yaml")}]", StringComparison.Ordinal);
        var file = Path.Combine(folder.FullName, "prometheus.yaml");
        File.WriteAllText(file, text);
        return file;
    }

    private static IEnumerable<string> DashboardQueries()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Path.Combine(RunningShop.Root, "deploy/grafana-dashboard.json")));
        return [.. dashboard.RootElement.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .Select(target => target.GetProperty("expr").GetString()!)];
    }

    /// <returns>True: there is a series with a number.</returns>
    private async Task<bool> HasResultAsync(string query) =>
        (await AskAsync($"query?query={Uri.EscapeDataString(query)}")).GetProperty("result").EnumerateArray()
            .Any(series => double.IsFinite(double.Parse(series.GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture)));

    private async Task<JsonElement> AskAsync(string path)
    {
        using var answer = await http.GetAsync(path);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {text}");
        return JsonDocument.Parse(text).RootElement.GetProperty("data");
    }

    private async Task RunScenarioAsync(string name)
    {
        var result = await Scenario.All.Single(one => one.Name == name).PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
        Assert.True(result.Holds);
    }

    /// <returns>The path of a program of the package.</returns>
    private static async Task<string> FindAsync(string program)
    {
        var found = await CliRun.RunAsync("bash", ["-c", $". '{RunningShop.Root}/needs.sh'; need_prometheus"]);
        Assert.True(found.Exit == 0, "Prometheus and promtool are neither in PATH nor to be had with 'apt-get download prometheus'. "
            + $"Install the package prometheus and run this again. {found.Error}");
        return Path.Combine(found.Output.Trim(), program);
    }
}
