using Shop;
using Traces;

namespace Integration;

/// <summary>Traces and metrics by OTLP, with every exporter and protocol.</summary>
[Collection(nameof(OnEmbedded))]
public sealed class OtlpTests(EmbeddedShop shop)
{
    /// <summary>Orders of other tests on this shop, which may be counted late.</summary>
    private const int OtherOrders = 8;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30), PollInterval = TimeSpan.FromMilliseconds(50);

    [Fact]
    public async Task An_order_is_one_trace_although_each_service_exports_differently()
    {
        var (run, before) = (Guid.CreateVersion7().ToString("N")[^8..], GetPlacedCount());
        await TraceAsync("success", OrderTree.ConfirmedSteps);
        await TraceAsync("balance too low", OrderTree.FailedSteps);

        for (var until = DateTime.UtcNow + Timeout; GetPlacedCount() < before + 2 && DateTime.UtcNow < until; await Task.Delay(PollInterval))
        {
        }
        Assert.InRange(GetPlacedCount(), before + 2, before + 2 + OtherOrders);
        Assert.Superset(EmbeddedShop.Exports.Keys.Select(service => (service, "http.server.request.duration")).ToHashSet(), shop.Otlp.Metrics.Keys.ToHashSet());
        Assert.Equal(["grpc", "http/protobuf"], shop.Otlp.Protocols.Keys.Order());

        async Task TraceAsync(string scenario, string[] last)
        {
            var result = await Scenario.All.Single(one => one.Name == scenario).PlayAsync(shop.Clients, run, default);
            Assert.True(result.Holds);
            var order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = result.OrderNumber })).Order.OrderId;
            var tree = await OrderTree.WaitAsync(shop.Collector, order, last);
            Assert.Empty(shop.Collector.Problems);
            Assert.Single(tree.Select(span => span.TraceId).Distinct());
            Assert.Single(tree, span => span.ParentId is null);
            Assert.Equal(EmbeddedShop.Exports.Keys.Order(), tree.Where(span => span.Scope == "DaprSaga").Select(span => span.Service).Distinct().Order());
            // Orders has two exporters, the others have one.
            await shop.Collector.UntilAsync(spans => CountPlacing(spans, order) >= 2);
            Assert.Equal(2, CountPlacing(shop.Collector.Spans, order));
            var trace = tree[0].TraceId;
            var steps = shop.Collector.Spans.Where(span => span.TraceId == trace && span.Scope == "DaprSaga" && span.Service != "orders");
            Assert.All(steps.GroupBy(span => (span.Id, span.Kind)), exported => Assert.Single(exported));
        }
    }

    private static int CountPlacing(IEnumerable<Span> spans, string order) => spans.Count(span => span.Name == "place order" && span.Tags.GetValueOrDefault("order.id") == order);

    private double GetPlacedCount() => shop.Otlp.Metrics.GetValueOrDefault(("orders", "saga.orders.placed"));
}
