using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using Shop;

namespace Integration;

/// <summary>The metrics of the services in the text format of Prometheus.</summary>
[Collection(nameof(OnRedis))]
public sealed class MetricsTests(RunningShop shop) : IDisposable
{
    private readonly HttpClient http = new();

    public void Dispose() => http.Dispose();

    [Fact]
    public async Task Orders_are_counted_and_timed()
    {
        var before = await ReadAsync("8080");
        await RunScenarioAsync("success");
        await RunScenarioAsync("out of stock");
        await RunScenarioAsync("coupon refused");
        var after = before;
        // A response is cached for some tenths of a second. Orders of earlier tests may end meanwhile.
        for (var until = DateTime.UtcNow.AddSeconds(20); !AllCounted() && DateTime.UtcNow < until; await Task.Delay(50))
        {
            after = await ReadAsync("8080");
        }

        Assert.True(AllCounted(), $"placed {GetIncrease("saga_orders_placed_total")}, confirmed {GetIncrease("saga_orders_confirmed_total")}, "
            + $"failed {GetIncrease("saga_orders_failed_total")}");
        Assert.Equal(3, GetIncrease("saga_orders_placed_total"));
        foreach (var reason in (string[])["OUT_OF_STOCK", "COUPON_EXPIRED"])
        {
            Assert.Contains(after["saga_orders_failed_total"].Samples, sample => sample.Labels["reason"] == reason && sample.Value >= 1);
        }
        Assert.Equal("histogram", after["saga_order_duration_seconds"].Type);
        Assert.All(["saga_orders_open", "saga_orders_open_age_seconds"], gauge => Assert.Equal("gauge", after[gauge].Type));
        Assert.All(after.Values.Where(family => family.Name.StartsWith("saga_", StringComparison.Ordinal)), family => Assert.NotEmpty(family.Help));

        bool AllCounted() => GetIncrease("saga_orders_placed_total") >= 3 && GetIncrease("saga_orders_confirmed_total") >= 1
            && GetIncrease("saga_orders_failed_total") >= 2
            && GetIncrease("saga_order_duration_seconds", "saga_order_duration_seconds_count") >= 3;

        double GetIncrease(string family, string? sample = null) => Sum(after, family, sample ?? family) - Sum(before, family, sample ?? family);
    }

    [Theory]
    [InlineData("grafana-dashboard.json", 9)]
    [InlineData("prometheus-rules.yaml", 9)]
    public async Task Every_metric_of_the_dashboard_and_of_the_alerts_exists(string file, int least)
    {
        await RunScenarioAsync("success");
        await RunScenarioAsync("balance too low");
        var used = Regex.Matches(File.ReadAllText(Path.Combine(RunningShop.Root, "deploy", file)), @"\bsaga_[a-z_]+|\btarget_info\b")
            .Select(name => name.Value).Distinct().ToArray();
        Assert.True(used.Length >= least, $"{file} uses only {string.Join(", ", used)}.");
        var documented = File.ReadAllText(Path.Combine(RunningShop.Root, "docs/reference/metrics.md"));
        Assert.All(used, name => Assert.Contains($"`{Regex.Replace(name, "_bucket$", "")}`", documented));

        HashSet<string> served = [];
        for (var until = DateTime.UtcNow.AddSeconds(20); !used.All(served.Contains) && DateTime.UtcNow < until; await Task.Delay(50))
        {
            served = [.. (await ReadAsync("8080")).Values.SelectMany(family => family.Samples).Select(sample => sample.Name)];
        }
        Assert.Empty(used.Except(served));
    }

    [Theory]
    [InlineData("8082", "stock")]
    [InlineData("8083", "payments")]
    [InlineData("8084", "coupons")]
    public async Task Participants_serve_their_metrics(string port, string appId)
    {
        var metrics = await ReadAsync(port);
        var built = FileVersionInfo.GetVersionInfo(RunningShop.ProgramOf($"{char.ToUpperInvariant(appId[0])}{appId[1..]}")).ProductVersion;
        Assert.Contains(metrics["target_info"].Samples, sample => (sample.Labels["service_name"], sample.Labels["service_version"]) == (appId, built));
        string[] counters = ["saga_documents_conflicts_total", "saga_documents_combined_total", "saga_dead_letters_stored_total"];
        Assert.All(counters, name => Assert.Equal("counter", metrics[name].Type));
        var sweep = appId switch { "stock" => "product", "payments" => "account", _ => "coupon" };
        var age = Assert.Single(metrics["saga_sweep_last_success_age_seconds"].Samples);
        Assert.Equal(sweep, age.Labels["sweep"]);
        Assert.InRange(age.Value, 0, 60);
        Assert.Equal(sweep, metrics["saga_sweep_failures_total"].Samples.Select(sample => sample.Labels["sweep"]).Single());
        const string Route = "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions";
        Assert.Contains(metrics["http_server_request_duration_seconds"].Samples,
            sample => sample.Labels.GetValueOrDefault("http_route") == Route && sample.Value >= 1);
        Assert.Contains(metrics["http_client_request_duration_seconds"].Samples,
            sample => sample.Labels.GetValueOrDefault("network_protocol_version") == "2" && sample.Value >= 1);
    }

    [Fact]
    public async Task The_gRPC_port_serves_metrics_too()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{shop.AddressOf("5002")}/metrics");
        (request.Version, request.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
        var answer = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("saga_documents_conflicts_total", PrometheusText.Parse(await answer.Content.ReadAsStringAsync()).Keys);
    }

    private async Task<IReadOnlyDictionary<string, Family>> ReadAsync(string port) =>
        PrometheusText.Parse(await http.GetStringAsync($"{shop.AddressOf(port)}/metrics"));

    private static double Sum(IReadOnlyDictionary<string, Family> seen, string family, string name) =>
        seen.TryGetValue(family, out var found) ? found.Samples.Where(sample => sample.Name == name).Sum(sample => sample.Value) : 0;

    private async Task RunScenarioAsync(string scenario)
    {
        var result = await Scenario.All.Single(one => one.Name == scenario).PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
        Assert.True(result.Holds);
    }
}
