using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Shop.V1;
using Traces;
using Xunit.Abstractions;

namespace Integration;

/// <summary>An order is one trace: from the call of the client through sidecars and participants to the last event.</summary>
[Collection(nameof(OnTraced))]
public sealed class TraceTests(TracedShop shop, ITestOutputHelper output)
{
    /// <summary>
    /// Calls of one order when none is shared with another event or order. Without the cache more reads precede a write, and each conflict costs two.
    /// </summary>
    private static readonly int CallsMax = RunningShop.IsCaching ? 37 : 47;

    /// <summary>Below this number the count itself is wrong: at most half of the calls are shared.</summary>
    private const int CallsMin = 17;

    private const string Saga = "DaprSaga", Sidecar = "dapr-diagnostics", Client = "OpenTelemetry.Instrumentation.GrpcNetClient",
        Server = "Microsoft.AspNetCore";
    private const string Publish = "dapr.proto.runtime.v1.Dapr/PublishEvent", Deliver = "dapr.proto.runtime.v1.AppCallback/OnTopicEvent";

    private static readonly HashSet<string> ExpectedDeliveries =
    [
        "stock pubsub/order-created", "payments pubsub/order-created", "coupons pubsub/order-created",
        "orders pubsub/stock-reserved", "orders pubsub/payment-completed", "orders pubsub/coupon-used",
        "stock pubsub/order-confirmed", "payments pubsub/order-confirmed", "coupons pubsub/order-confirmed",
    ];

    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    [Fact]
    public async Task Personal_data_is_in_the_document_of_the_order_only()
    {
        string[] secrets = [$"Nobody{run}", $"Nowhere {run} Street", $"+82-10-{run}"];
        var placed = (await shop.Clients.Orders.PlaceOrderAsync(CreateRequest(secrets, product: await PutProductAsync(), skipPrecheck: false))).Order;
        // Refused for another field, and because of one of these.
        var refusals = new List<string>();
        foreach (var change in (Action<PlaceOrderRequest>[])[bad => bad.Items[0].Quantity = 0, bad => bad.RecipientName += '\0', bad => bad.UserId = "||"])
        {
            var request = CreateRequest(secrets, placed.Items[0].ProductId, skipPrecheck: true);
            change(request);
            refusals.Add($"{await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await shop.Clients.Orders.PlaceOrderAsync(request))}");
        }
        await TreeAsync(placed.OrderId, OrderTree.ConfirmedSteps);

        Assert.Equal(secrets, new[] { placed.RecipientName, placed.ShippingAddress, placed.ShippingPhone });
        AssertHasNone("the log", shop.Output);
        AssertHasNone("a refusal", string.Join('\n', refusals));
        AssertHasNone("a span", string.Join('\n', shop.Collector.Spans.SelectMany(span => span.Tags.Values.Append(span.Name))));
        var hasOrder = false;
        foreach (var key in shop.RedisKeys())
        {
            var content = key.StartsWith("orders||orders:order:", StringComparison.Ordinal) && key.EndsWith(placed.OrderId, StringComparison.Ordinal);
            hasOrder |= content;
            if (!content) AssertHasNone(key, await shop.ReadRedisAsync(key));
        }
        Assert.True(hasOrder);

        void AssertHasNone(string where, string text) =>
            Assert.All(secrets, secret => Assert.False(text.Contains(secret, StringComparison.Ordinal), $"{where} has '{secret}'."));
    }

    private PlaceOrderRequest CreateRequest(string[] secrets, string product, bool skipPrecheck) => new()
    {
        UserId = $"u-{run}", Items = { new OrderItem { ProductId = product, Quantity = 1 } },
        RecipientName = secrets[0], ShippingAddress = secrets[1], ShippingPhone = secrets[2], SkipPrecheck = skipPrecheck,
    };

    private async Task<string> PutProductAsync()
    {
        var product = $"p-{run}";
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = $"u-{run}", InitialDeposit = 100_000 });
        return product;
    }

    [Fact]
    public async Task A_confirmed_order_is_one_trace()
    {
        var order = await PlaceAsync(balance: 100_000);
        var tree = await TreeAsync(order, OrderTree.ConfirmedSteps);
        Assert.Equal(
            [
                "coupons: settle coupon after confirm order",
                "coupons: use coupon after place order",
                "orders: confirm order after the last answer",
                "orders: consume coupon-used after use coupon",
                "orders: consume payment-completed after charge payment",
                "orders: consume stock-reserved after reserve stock",
                "orders: place order after nothing",
                "payments: charge payment after place order",
                "payments: settle payment after confirm order",
                "stock: reserve stock after place order",
                "stock: settle stock after confirm order",
            ],
            GetSteps(tree));

        // The hops of one event, outermost last. Sidecars name their spans in lower case.
        var reserved = tree.Single(span => span.Name == "reserve stock");
        Assert.Equal(
            [
                $"stock {Saga} reserve stock",
                $"stock {Server} {Deliver}",
                $"stock {Sidecar} pubsub/order-created",
                $"orders {Sidecar} /{Publish.ToLowerInvariant()}",
                $"orders {Client} {Publish}",
                $"orders {Saga} place order",
                $"orders {Server} shop.v1.OrderService/PlaceOrder",
            ],
            GetAncestors(tree, reserved).Select(span => $"{span.Service} {span.Scope} {span.Name}"));

        // A service invocation: the spans of the callee and of its sidecar are both children of the span of the caller's sidecar.
        const string Invocation = "shop.v1.StockService/BatchGetProducts";
        var called = tree.Single(span => (span.Service, span.Scope, span.Name) == ("orders", Sidecar, $"/{Invocation.ToLowerInvariant()}"));
        Assert.Equal($"orders {Client} {Invocation}", GetAncestors(tree, called).Skip(1).Select(span => $"{span.Service} {span.Scope} {span.Name}").First());
        Assert.Equal([$"stock {Server} {Invocation}", $"stock {Sidecar} /{Invocation.ToLowerInvariant()}"],
            tree.Where(span => span.ParentId == called.Id).Select(span => $"{span.Service} {span.Scope} {span.Name}").Order());
        var used = tree.First(span => span.Name == "use coupon");
        Assert.Equal("coupons", used.Service);
        Assert.Equal("order-created", used.Tags["saga.topic"]);
        Assert.Equal("coupon-used", used.Tags["saga.outcome"]);
    }

    /// <summary>
    /// The cost of an order while no other is open: calls of apps to their sidecars, deliveries by sidecars, service invocations, and the call of
    /// the client. Calls can be shared by several events, so the test asserts upper bounds.
    /// </summary>
    [Fact]
    public async Task An_order_without_a_coupon_takes_few_calls()
    {
        List<int> calls = [];
        // Without the first order, which reads the product and the account into the caches.
        foreach (var order in (await PlaceSeveralAsync(balance: 100_000, coupon: false, orders: 9)).Skip(1))
        {
            var tree = await TreeAsync(order, OrderTree.ConfirmedSteps);
            var toSidecars = tree.Count(span => span.Scope == Client);
            var deliveries = tree.Count(OrderTree.IsDelivery);
            var toApps = tree.Count(span => span.Scope == Server && span.Name.StartsWith("shop.v1."));
            var each = tree.Where(span => span.Scope == Client)
                .GroupBy(span => $"{span.Service}: {span.Name[(span.Name.IndexOf('/') + 1)..]}")
                .OrderBy(same => same.Key);
            output.WriteLine(
                $"{toSidecars} calls to sidecars, {deliveries} deliveries, {toApps} calls of clients and look-ups: "
                + $"{string.Join(", ", each.Select(same => $"{same.Count()} {same.Key}"))}");
            // A redelivery repeats a pair.
            Assert.Subset(ExpectedDeliveries, tree.Where(OrderTree.IsDelivery).Select(span => $"{span.Service} {span.Name}").ToHashSet());
            calls.Add(toSidecars + deliveries + toApps);
        }
        calls.Sort();
        // The median, because a retry or a redelivery on a busy machine adds calls to a single order.
        Assert.InRange(calls[calls.Count / 2], CallsMin, CallsMax);
    }

    [Fact]
    public async Task A_failed_order_with_its_compensation_is_one_trace()
    {
        var order = await PlaceAsync(balance: 5_000);
        var tree = await TreeAsync(order, OrderTree.FailedSteps);
        Assert.Equal(
            [
                "coupons: restore coupon after fail order", "coupons: use coupon after place order",
                "orders: consume coupon-answered after use coupon",
                "orders: consume coupon-restored after restore coupon", "orders: consume payment-failed after charge payment",
                "orders: consume payment-refunded after refund payment",
                "orders: consume stock-answered after reserve stock", "orders: consume stock-released after release stock",
                "orders: fail order after consume payment-failed", "orders: place order after nothing",
                "payments: charge payment after place order", "payments: refund payment after fail order",
                "stock: release stock after fail order", "stock: reserve stock after place order",
            ],
            // order-failed may overtake the other two steps, which are then refused.
            GetSteps(tree).Select(step => step
                .Replace("stock-reserved", "stock-answered").Replace("stock-reservation-failed", "stock-answered")
                .Replace("coupon-used", "coupon-answered").Replace("coupon-usage-failed", "coupon-answered")).Order(StringComparer.Ordinal));
        var failed = tree.First(span => span.Name == "fail order");
        Assert.Equal("BALANCE_TOO_LOW", failed.Tags["order.failure"]);
        Assert.Equal("order-failed", failed.Tags["saga.outcome"]);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task An_orchestrated_order_is_one_trace(bool isPaid)
    {
        var key = $"{run}-{Guid.CreateVersion7():N}"[..30];
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = key, Name = "Traced", Price = 10_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = key, InitialDeposit = isPaid ? 100_000 : 5_000 });
        var paid = await shop.Clients.Orders.PayOrderAsync(new()
        {
            Order = new() { UserId = key, SkipPrecheck = true, Items = { new OrderItem { ProductId = key, Quantity = 1 } } },
        });
        var tree = await TreeAsync(paid.Order.OrderId, isPaid ? ["settle stock", "settle payment", "settle coupon"] : ["release stock", "release payments", "release coupons"]);
        output.WriteLine($"{tree.Count} spans");
        string[] steps = isPaid
            ?
            [
                "coupons: settle coupon after confirm order", "orders: confirm order after nothing", "orders: place order after nothing",
                "payments: reserve payments after nothing", "payments: settle payment after confirm order",
                "stock: reserve stock after nothing", "stock: settle stock after confirm order",
            ]
            :
            [
                "coupons: release coupons after nothing", "orders: fail order after nothing", "orders: place order after nothing",
                "payments: release payments after nothing", "payments: reserve payments after nothing",
                "stock: release stock after nothing", "stock: reserve stock after nothing",
            ];
        Assert.Equal(steps, GetSteps(tree));
    }

    [Fact]
    public async Task Sweeps_and_health_checks_are_not_traced()
    {
        await TreeAsync(await PlaceAsync(balance: 100_000), OrderTree.ConfirmedSteps);
        // Sweeps read the open logs every 2 s, and sidecars probe the health of their app every second.
        Assert.Equal("", string.Join('\n', shop.Collector.Spans
            .Where(span => span.Name.Contains("Health") || (span.ParentId is null && span.Scope == Client))
            .Select(span => $"{span.Service} {span.Scope} {span.Name}")));
    }

    /// <returns>The id of the order, which is closed.</returns>
    private async Task<string> PlaceAsync(long balance) => (await PlaceSeveralAsync(balance, coupon: true, orders: 1))[0];

    /// <returns>The ids of the orders; each was closed before the next was placed.</returns>
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
    public async Task JSON_log_lines_of_an_order_have_its_trace_id()
    {
        var order = await PlaceAsync(balance: 100_000);
        var tree = await TreeAsync(order, OrderTree.ConfirmedSteps);
        var lines = shop.Output.Split('\n').Where(line => line.Contains(order))
            .Select(line => JsonDocument.Parse(line[line.IndexOf('{')..]).RootElement).ToArray();
        Assert.Superset(
            new HashSet<string?>(["Orders", "Stock", "Payments", "Coupons"]),
            lines.Select(line => line.GetProperty("Category").GetString()).ToHashSet());
        Assert.All(lines, line =>
        {
            Assert.Equal(order, line.GetProperty("State").GetProperty("OrderId").GetString());
            Assert.Contains(
                line.GetProperty("Scopes").EnumerateArray(),
                scope => scope.TryGetProperty("TraceId", out var trace) && trace.GetString() == tree[0].TraceId);
        });
    }

    /// <summary>Waits for all spans of an order, and checks that they are one tree.</summary>
    /// <param name="last">Names of the last steps.</param>
    private async Task<List<Span>> TreeAsync(string order, IReadOnlyList<string> last)
    {
        var tree = await OrderTree.WaitAsync(shop.Collector, order, last);
        Assert.Empty(shop.Collector.Problems);
        Assert.Single(tree.Select(span => span.TraceId).Distinct());
        Assert.Single(tree, span => span.ParentId is null);
        Assert.Equal(tree.Count, tree.DistinctBy(span => span.Id).Count());
        var timeline = (await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order })).Timeline;
        Assert.All(timeline, entry => Assert.Equal(tree[0].TraceId, entry.TraceId));
        Assert.All(tree.Where(span => span.Scope == Saga), span => Assert.Equal((order, span.Name), (span.Tags.GetValueOrDefault("order.id"), span.Tags["saga.step"])));
        return tree;
    }

    /// <summary>The steps of the saga, each with the step that caused it; sorted and distinct.</summary>
    private static IEnumerable<string> GetSteps(List<Span> tree)
    {
        var last = tree.First(span => span.Name is "confirm order" or "fail order").Name;
        return tree
            .Where(span => span.Scope == Saga)
            .Select(step =>
            {
                var before = GetAncestors(tree, step).Skip(1).FirstOrDefault(span => span.Scope == Saga)?.Name ?? "nothing";
                if (before.StartsWith("consume "))
                {
                    // An answer that comes after the end of the order publishes its last event once more.
                    before = step.Service != "orders" ? last : step.Name == "confirm order" ? "the last answer" : before;
                }
                return $"{step.Service}: {step.Name} after {before}";
            })
            .Distinct()
            .Order(StringComparer.Ordinal);
    }

    /// <summary>A span and its ancestors, the root last.</summary>
    private static IEnumerable<Span> GetAncestors(List<Span> tree, Span span)
    {
        for (var at = span; at is not null; at = tree.SingleOrDefault(other => other.Id == at.ParentId)) yield return at;
    }
}
