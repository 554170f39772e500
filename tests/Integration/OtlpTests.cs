using Shop;
using Traces;

namespace Integration;

/// <summary>Traces and metrics by OTLP.</summary>
public sealed class OtlpTests
{
    private static readonly string[] Services = ["coupons", "orders", "payments", "stock"];

    [Theory]
    [InlineData("otlp", "grpc", 1)]
    [InlineData("otlp", "http/protobuf", 1)]
    [InlineData("zipkin,otlp", "grpc", 2)]
    public async Task An_order_is_one_trace_with_every_exporter_and_protocol(string exporters, string protocol, int times)
    {
        var shop = new ExportingShop(exporters, protocol);
        await shop.InitializeAsync();
        try
        {
            var run = Guid.CreateVersion7().ToString("N")[^8..];
            await TraceAsync("success", ["settle stock", "settle payment", "settle coupon"]);
            await TraceAsync("balance too low", ["consume stock-released", "consume payment-refunded", "consume coupon-restored"]);
            Assert.Equal([protocol], shop.Otlp.Protocols.Keys);

            for (var until = DateTime.UtcNow.AddSeconds(30); GetPlacedCount() < 2 && DateTime.UtcNow < until; await Task.Delay(50))
            {
            }
            Assert.Equal(2, GetPlacedCount());
            Assert.Superset(Services.Select(service => (service, "http.server.request.duration")).ToHashSet(), shop.Otlp.Metrics.Keys.ToHashSet());

            async Task TraceAsync(string scenario, string[] last)
            {
                var result = await Scenario.All.Single(one => one.Name == scenario).PlayAsync(shop.Clients, run, default);
                Assert.True(result.Holds);
                var order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = result.OrderNumber })).Order.OrderId;
                var tree = await OrderTree.WaitAsync(shop.Collector, order, last);
                Assert.Empty(shop.Collector.Problems);
                Assert.Single(tree.Select(span => span.TraceId).Distinct());
                Assert.Single(tree, span => span.ParentId is null);
                Assert.Equal(Services, tree.Where(span => span.Scope == "DaprSaga").Select(span => span.Service).Distinct().Order());
                var placing = await shop.Collector.UntilAsync(spans => spans.Count(span => span.Name == "place order" && span.Tags["order.id"] == order) >= times);
                Assert.Equal(times, placing.Count(span => span.Name == "place order" && span.Tags["order.id"] == order));
            }
        }
        finally
        {
            await shop.DisposeAsync();
        }

        double GetPlacedCount() => shop.Otlp.Metrics.GetValueOrDefault(("orders", "saga.orders.placed"));
    }
}
