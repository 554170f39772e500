using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.V1;
using Traces;
using Xunit.Abstractions;

namespace Integration;

/// <summary>The shop, with a collector where a Zipkin would be.</summary>
public class TracedShop() : RunningShop(embedded: false)
{
    internal Collector Collector { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Zipkin = Collector.Endpoint;
        Environment["Logging__Console__FormatterName"] = "json";
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Collector.DisposeAsync();
    }
}

/// <summary>An order is one trace: from the client's call through every sidecar and participant to the last event.</summary>
public sealed class TraceTests(TracedShop shop, ITestOutputHelper output) : IClassFixture<TracedShop>
{
    /// <summary>Events heard at the same time share a write or do not; at most it is this, and one more for the order for which ids are noted.</summary>
    private const int CallsMax = 34;

    private const string Saga = "DaprSaga", Sidecar = "dapr-diagnostics", Client = "OpenTelemetry.Instrumentation.GrpcNetClient", Server = "Microsoft.AspNetCore";
    private const string Publish = "dapr.proto.runtime.v1.Dapr/PublishEvent", Deliver = "dapr.proto.runtime.v1.AppCallback/OnTopicEvent";

    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    [Fact]
    public async Task A_confirmed_order_is_one_trace()
    {
        var order = await PlaceAsync(balance: 100_000);
        var tree = await TreeAsync(order, ["settle stock", "settle payment", "settle coupon"]);
        Assert.Equal(
            [
                "coupons: settle coupon after confirm order", "coupons: use coupon after place order",
                "orders: confirm order after the last heard", "orders: heard coupon-used after use coupon",
                "orders: heard payment-completed after charge payment", "orders: heard stock-reserved after reserve stock", "orders: place order after nothing",
                "payments: charge payment after place order", "payments: settle payment after confirm order",
                "stock: reserve stock after place order", "stock: settle stock after confirm order",
            ],
            StepsOf(tree));

        // Each hop of one event, outermost last. Sidecars name their spans in lower case.
        var reserved = tree.Single(span => span.Name == "reserve stock");
        Assert.Equal(
            [
                $"stock {Saga} reserve stock", $"stock {Server} {Deliver}", $"stock {Sidecar} pubsub/order-created", $"orders {Sidecar} /{Publish.ToLowerInvariant()}",
                $"orders {Client} {Publish}", $"orders {Saga} place order", $"orders {Server} shop.v1.OrderService/PlaceOrder",
            ],
            WayTo(tree, reserved).Select(span => $"{span.Service} {span.Scope} {span.Name}"));

        // A look-up: the caller's sidecar is called by the client, and its span is whose child both the callee's sidecar and the callee are.
        const string lookUp = "shop.v1.StockService/BatchGetProducts";
        var called = tree.Single(span => (span.Service, span.Scope, span.Name) == ("orders", Sidecar, $"/{lookUp.ToLowerInvariant()}"));
        Assert.Equal($"orders {Client} {lookUp}", WayTo(tree, called).Skip(1).Select(span => $"{span.Service} {span.Scope} {span.Name}").First());
        Assert.Equal([$"stock {Server} {lookUp}", $"stock {Sidecar} /{lookUp.ToLowerInvariant()}"],
            tree.Where(span => span.ParentId == called.Id).Select(span => $"{span.Service} {span.Scope} {span.Name}").Order());
        var used = tree.First(span => span.Name == "use coupon");
        Assert.Equal(("coupons", "order-created", "coupon-used"), (used.Service, used.Tags["saga.heard"], used.Tags["saga.outcome"]));
    }

    /// <summary>
    /// What one order costs when nothing else is under way: a call by an app to its sidecar, a delivery by a sidecar, a look-up handed to the app
    /// that answers it, and the client's own call. Under load most of them are shared.
    /// </summary>
    [Fact]
    public async Task An_order_without_a_coupon_takes_few_calls()
    {
        List<int> calls = [];
        // Later orders of the same user for the same product: what is told now is not what has to be read once.
        foreach (var order in (await PlaceSeveralAsync(balance: 100_000, coupon: false, orders: 9)).Skip(1))
        {
            var tree = await TreeAsync(order, ["settle stock", "settle payment", "settle coupon"]);
            var toSidecars = tree.Count(span => span.Scope == Client);
            var deliveries = tree.Count(OrderTree.IsDelivery);
            var toApps = tree.Count(span => span.Scope == Server && span.Name.StartsWith("shop.v1."));
            var each = tree.Where(span => span.Scope == Client).GroupBy(span => $"{span.Service}: {span.Name[(span.Name.IndexOf('/') + 1)..]}").OrderBy(same => same.Key);
            output.WriteLine($"{toSidecars} calls to sidecars, {deliveries} deliveries, {toApps} calls of clients and look-ups: {string.Join(", ", each.Select(same => $"{same.Count()} {same.Key}"))}");
            Assert.Equal(9, deliveries);
            calls.Add(toSidecars + deliveries + toApps);
        }
        calls.Sort();
        Assert.InRange(calls[0], 32, CallsMax);
        // One in eight, or two when the ids lay for too long.
        Assert.InRange(calls[^3], 32, CallsMax);
        Assert.InRange(calls[^1], 32, CallsMax + 1);
    }

    [Fact]
    public async Task A_failed_order_with_its_compensation_is_one_trace()
    {
        var order = await PlaceAsync(balance: 5_000);
        var tree = await TreeAsync(order, ["heard stock-released", "heard payment-refunded", "heard coupon-restored"]);
        Assert.Equal(
            [
                "coupons: restore coupon after fail order", "coupons: use coupon after place order",
                "orders: fail order after heard payment-failed", "orders: heard coupon-answered after use coupon",
                "orders: heard coupon-restored after restore coupon", "orders: heard payment-failed after charge payment",
                "orders: heard payment-refunded after refund payment",
                "orders: heard stock-answered after reserve stock", "orders: heard stock-released after release stock", "orders: place order after nothing",
                "payments: charge payment after place order", "payments: refund payment after fail order",
                "stock: release stock after fail order", "stock: reserve stock after place order",
            ],
            // The failure may overtake the other two, which then refuse.
            StepsOf(tree).Select(step => step
                .Replace("stock-reserved", "stock-answered").Replace("stock-reservation-failed", "stock-answered")
                .Replace("coupon-used", "coupon-answered").Replace("coupon-usage-failed", "coupon-answered")).Order(StringComparer.Ordinal));
        var failed = tree.First(span => span.Name == "fail order");
        Assert.Equal(("BALANCE_TOO_LOW", "order-failed"), (failed.Tags["order.failure"], failed.Tags["saga.outcome"]));
    }

    [Fact]
    public async Task Nobody_looking_around_is_in_a_trace()
    {
        await TreeAsync(await PlaceAsync(balance: 100_000), ["settle stock", "settle payment", "settle coupon"]);
        // Sweeps read the open logs every 2 s. Sidecars ask every second whether their app is well, and had to before the shop was open.
        Assert.Empty(shop.Collector.Spans
            .Where(span => span.Name.Contains("Health") || (span.ParentId is null && span.Scope == Client))
            .Select(span => $"{span.Service} {span.Scope} {span.Name}"));
    }

    /// <returns>The order's id; at rest.</returns>
    private async Task<string> PlaceAsync(long balance) => (await PlaceSeveralAsync(balance, coupon: true, orders: 1))[0];

    /// <returns>The orders' ids; each was at rest before the next was placed.</returns>
    private async Task<string[]> PlaceSeveralAsync(long balance, bool coupon, int orders)
    {
        var key = $"{run}-{Guid.CreateVersion7():N}"[..30];
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = key, Name = "Traced", Price = 10_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = key, InitialDeposit = balance });
        await shop.Clients.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = key, UserId = key, AmountOff = 1_000, ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
        });
        var placed = new string[orders];
        for (var at = 0; at < orders; at++)
        {
            var request = new PlaceOrderRequest { UserId = key, SkipPrecheck = balance < 10_000, Items = { new OrderItem { ProductId = key, Quantity = 1 } } };
            if (coupon) request.UserCouponId = key;
            placed[at] = (await shop.Clients.Orders.PlaceOrderAsync(request)).Order.OrderId;
            using var watch = shop.Clients.Orders.WatchOrder(new() { Order = placed[at] }, deadline: DateTime.UtcNow.AddSeconds(90));
            while (await watch.ResponseStream.MoveNext(default))
            {
            }
        }
        return placed;
    }

    [Fact]
    public async Task Logged_as_JSON_each_line_of_an_order_has_the_trace_that_was_sent()
    {
        var order = await PlaceAsync(balance: 100_000);
        var tree = await TreeAsync(order, ["settle stock", "settle payment", "settle coupon"]);
        var lines = shop.Output.Split('\n').Where(line => line.Contains(order)).Select(line => JsonDocument.Parse(line[line.IndexOf('{')..]).RootElement).ToArray();
        Assert.Superset(new HashSet<string?>(["Orders", "Stock", "Payments", "Coupons"]), lines.Select(line => line.GetProperty("Category").GetString()).ToHashSet());
        Assert.All(lines, line =>
        {
            Assert.Equal(order, line.GetProperty("State").GetProperty("OrderId").GetString());
            Assert.Contains(line.GetProperty("Scopes").EnumerateArray(), scope => scope.TryGetProperty("TraceId", out var trace) && trace.GetString() == tree[0].TraceId);
        });
    }

    /// <summary>All spans of an order, once its last steps are there and every parent is.</summary>
    private async Task<List<Span>> TreeAsync(string order, IReadOnlyList<string> last)
    {
        var tree = await OrderTree.WaitAsync(shop.Collector, order, last);
        Assert.Empty(shop.Collector.Problems);
        Assert.Single(tree.Select(span => span.TraceId).Distinct());
        Assert.Single(tree, span => span.ParentId is null);
        Assert.Equal(tree.Count, tree.DistinctBy(span => span.Id).Count());
        var timeline = (await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order })).Timeline;
        Assert.All(timeline, entry => Assert.Equal(tree[0].TraceId, entry.TraceId));
        Assert.All(tree.Where(span => span.Scope == Saga), span => Assert.Equal((order, span.Name), (span.Tags["order.id"], span.Tags["saga.step"])));
        return tree;
    }

    /// <summary>Each step of the saga with the step that led to it, sorted. A step that was delivered twice is there once.</summary>
    private static IEnumerable<string> StepsOf(List<Span> tree) => tree
        .Where(span => span.Scope == Saga)
        .Select(step =>
        {
            var before = WayTo(tree, step).Skip(1).FirstOrDefault(span => span.Scope == Saga)?.Name ?? "nothing";
            return $"{step.Service}: {step.Name} after {(step.Name == "confirm order" && before.StartsWith("heard ") ? "the last heard" : before)}";
        })
        .Distinct()
        .Order(StringComparer.Ordinal);

    /// <summary>A span and everything that led to it, the root last.</summary>
    private static IEnumerable<Span> WayTo(List<Span> tree, Span span)
    {
        for (var at = span; at is not null; at = tree.SingleOrDefault(other => other.Id == at.ParentId)) yield return at;
    }
}

/// <summary>The spans of an order, as they come.</summary>
internal static class OrderTree
{
    /// <summary>All of them, once its last steps are there and every parent is. One that came by two exporters is there once.</summary>
    public static async Task<List<Span>> WaitAsync(Collector collector, string order, IReadOnlyList<string> last)
    {
        List<Span> tree = [];
        await collector.UntilAsync(spans =>
        {
            var placing = spans.Where(span => span.Name == "place order" && span.Tags["order.id"] == order);
            var traces = placing.Select(span => span.TraceId).ToHashSet();
            tree = [.. spans.Where(span => traces.Contains(span.TraceId)).DistinctBy(span => (span.Id, span.Kind))];
            var ids = tree.Select(span => span.Id).ToHashSet();
            // A delivery is over after what was done on it, and nobody's parent.
            return last.All(name => tree.Any(span => span.Name == name)) && tree.All(span => span.ParentId is null || ids.Contains(span.ParentId))
                && tree.Count(IsDelivery) >= tree.Count(span => span.Tags.ContainsKey("saga.heard"));
        });
        return tree;
    }

    /// <summary>By a sidecar to its app.</summary>
    public static bool IsDelivery(Span span) => span.Scope == "dapr-diagnostics" && span.Name.StartsWith("pubsub/");
}

/// <summary>The shop in memory, whose services send as they are told to, and its sidecars to a Zipkin; all of it arrives at one collector.</summary>
public sealed class ExportingShop(string exporters, string protocol) : RunningShop(embedded: true)
{
    internal Collector Collector { get; private set; } = null!;

    internal OtlpCollector Otlp { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Otlp = await OtlpCollector.StartAsync(Collector);
        Zipkin = Collector.Endpoint;
        Environment["OTEL_TRACES_EXPORTER"] = exporters;
        Environment["OTEL_METRICS_EXPORTER"] = "otlp";
        Environment["OTEL_METRIC_EXPORT_INTERVAL"] = "500";
        Environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol;
        Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = Otlp.EndpointOf(protocol);
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Otlp.DisposeAsync();
        await Collector.DisposeAsync();
    }
}

/// <summary>Traces and metrics of the whole shop arrive by OTLP.</summary>
public sealed class OtlpTests
{
    private static readonly string[] Services = ["coupons", "orders", "payments", "stock"];

    [Theory]
    [InlineData("otlp", "grpc", 1)]
    [InlineData("otlp", "http/protobuf", 1)]
    [InlineData("zipkin,otlp", "grpc", 2)]
    public async Task An_order_is_one_trace_by_whatever_it_was_sent(string exporters, string protocol, int times)
    {
        var shop = new ExportingShop(exporters, protocol);
        await shop.InitializeAsync();
        try
        {
            var run = Guid.CreateVersion7().ToString("N")[^8..];
            await TraceAsync("success", ["settle stock", "settle payment", "settle coupon"]);
            await TraceAsync("balance too low", ["heard stock-released", "heard payment-refunded", "heard coupon-restored"]);
            Assert.Equal([protocol], shop.Otlp.Protocols.Keys);

            for (var until = DateTime.UtcNow.AddSeconds(30); PlacedByOtlp() < 2 && DateTime.UtcNow < until; await Task.Delay(50))
            {
            }
            Assert.Equal(2, PlacedByOtlp());
            Assert.Superset(Services.Select(service => (service, "http.server.request.duration")).ToHashSet(), shop.Otlp.Metrics.Keys.ToHashSet());

            async Task TraceAsync(string scenario, string[] last)
            {
                var played = await Scenario.All.Single(one => one.Name == scenario).PlayAsync(shop.Clients, run, default);
                Assert.True(played.Holds);
                var order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = played.OrderNumber })).Order.OrderId;
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

        double PlacedByOtlp() => shop.Otlp.Metrics.GetValueOrDefault(("orders", "saga.orders.placed"));
    }
}
