using Shop;
using Traces;

namespace Integration;

/// <summary>Without traces no service creates an activity.</summary>
public sealed class TracesOffTests
{
    [Fact]
    public async Task No_activity_is_started_no_span_is_sent_and_no_log_line_has_a_trace_id()
    {
        var shop = new UntracedShop();
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
