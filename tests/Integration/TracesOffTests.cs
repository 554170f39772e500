using Shop;
using Traces;

namespace Integration;

/// <summary>The shop with traces off in the services, though not in their sidecars, a collector, and sweeps that hardly pause.</summary>
/// <param name="variable">What switches them off.</param>
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

/// <summary>Traces that are off cost nothing: no service makes a single activity, from its start to its end.</summary>
public sealed class TracesOffTests
{
    [Theory]
    [InlineData("OTEL_TRACES_EXPORTER", "none")]
    [InlineData("OTEL_SDK_DISABLED", "true")]
    public async Task No_activity_is_started_and_nothing_is_sent_and_nothing_names_a_trace(string variable, string value)
    {
        var shop = new UntracedShop(variable, value);
        await shop.InitializeAsync();
        try
        {
            foreach (var name in (string[])["success", "balance too low"])
            {
                var played = await Scenario.All.Single(one => one.Name == name).PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
                Assert.True(played.Holds);
                Assert.All(played.Timeline, entry => Assert.Empty(entry.TraceId));
            }
        }
        finally
        {
            // What is sent at the end is sent then.
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
