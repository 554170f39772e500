using Shop;
using Traces;

namespace Integration;

/// <summary>The shop with traces switched off in the services but not in the sidecars, with a collector and frequent sweeps.</summary>
/// <param name="variable">The environment variable that switches traces off.</param>
public sealed class UntracedShop(string variable, string value) : RunningShop(embedded: false)
{
    internal Collector Collector { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Zipkin = Collector.Endpoint;
        Environment[variable] = value;
        Environment["Saga__SweepPeriod"] = "00:00:00.1";
        Environment["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location;
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Collector.DisposeAsync();
    }
}

/// <summary>Without traces no service creates an activity.</summary>
public sealed class TracesOffTests
{
    [Theory]
    [InlineData("OTEL_TRACES_EXPORTER", "none")]
    [InlineData("OTEL_SDK_DISABLED", "true")]
    public async Task No_activity_is_started_no_span_is_sent_and_no_log_line_has_a_trace_id(string variable, string value)
    {
        var shop = new UntracedShop(variable, value);
        await shop.InitializeAsync();
        try
        {
            foreach (var name in (string[])["success", "balance too low"])
            {
                var result = await Scenario.All.Single(one => one.Name == name).PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
                Assert.True(result.Holds);
                Assert.All(result.Timeline, entry => Assert.Empty(entry.TraceId));
            }
        }
        finally
        {
            // Flushes the exporters.
            await shop.DisposeAsync();
        }
        var services = shop.Output.Split('\n').Where(line => line.StartsWith("== APP - ", StringComparison.Ordinal)).ToArray();
        Assert.Equal(
            new[] { "coupons", "orders", "payments", "stock" }.Select(name => $"== APP - {name} == {StartupHook.Line}{StartupHook.Trial}"),
            services.Where(line => line.Contains(StartupHook.Line)).Order());
        Assert.All(services, line => Assert.DoesNotContain("trace=", line));
        Assert.DoesNotContain(shop.Collector.Spans, span => span.Scope != "dapr-diagnostics");
    }
}
