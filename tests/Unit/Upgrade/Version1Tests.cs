using System.Text.Json.Nodes;
using Orders;
using Saga.Tests.Fuzz;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests.Upgrade;

/// <summary>
/// This version on what a running version 1 left in its Redis: v1/closed.json after all orders were closed, some seconds before the services stopped;
/// v1/open.json with an order that waits for Payments, and one that was cancelled meanwhile. docs/upgrading.md says what is to be done before.
/// </summary>
public sealed class Version1Tests
{
    private static readonly StoredShop Closed = StoredShop.Read("v1/closed"), Open = StoredShop.Read("v1/open");

    private readonly FuzzedShop drained = Closed.Start();

    [Fact]
    public void Every_document_of_a_drained_shop_is_read_and_every_order_with_its_steps()
    {
        Assert.All(Closed.Documents.Keys, key => Assert.NotNull(StoredShop.Read(drained, key)));
        var orders = Closed.KeysOf("orders:order:").ToArray();
        Assert.Equal(6, orders.Length);
        foreach (var key in orders)
        {
            var (stored, order) = (Closed.Documents[key], drained.Read<Order>(key)!);
            Assert.Equal($"{stored["status"]}", $"{order.Status}");
            Assert.True(order.IsClosed);
            Assert.Equal(SagaPattern.Choreography, order.Pattern);
            Assert.Equal([Step.Stock, Step.Payment, Step.Coupon], order.Steps.Select(step => step.Step));
            JsonNode[] steps = [stored["stock"]!, stored["payment"]!, stored["coupon"]!];
            Assert.Equal(steps.Select(step => ($"{step["state"]}", (string?)step["reference"])), order.Steps.Select(step => ($"{step.State}", step.Reference)));
        }
    }

    [Fact]
    public void Its_events_change_nothing_when_they_are_delivered_again_and_order_confirmed_which_lacks_its_lines_is_a_dead_letter()
    {
        var before = StoredShop.Snapshot(drained);
        foreach (var e in Closed.Events)
        {
            foreach (var app in drained.SubscribersOf(e.Topic).ToArray()) Assert.Equal(Status.Success, drained.Deliver(app, e.ToDelivery()));
        }
        Assert.Equal(before, StoredShop.Snapshot(drained));
        Assert.Empty(drained.Bugs);
        Assert.Equal(3 * 3, drained.Letters.Count);
        Assert.All(drained.Letters, letter => Assert.Equal("order-confirmed", letter.Topic));
        Assert.All(drained.Letters, letter => Assert.Contains("items: must be 1 to 100", letter.Problem));
    }

    [Fact]
    public void Its_events_of_a_new_order_are_handled_as_those_of_this_version()
    {
        // The same orders again, under other ids, by a shop that has none of them yet.
        string[] topics = ["order-created", "order-failed"];
        foreach (var e in Closed.Events.Where(e => topics.Contains(e.Topic)).DistinctBy(e => e.Topic))
        {
            var created = (JsonNode)e.Data.DeepClone();
            created["orderId"] = Guid.NewGuid().ToString();
            foreach (var app in (string[])["stock", "payments", "coupons"])
            {
                var published = drained.Published.Count;
                Assert.Equal(Status.Success, drained.Deliver(app, new StoredEvent(e.Topic, e.Id, created).ToDelivery()));
                Assert.Single(drained.Published[published..]);
            }
        }
        Assert.Empty(drained.Letters);
    }

    [Fact]
    public void The_shop_goes_on_with_its_products_accounts_and_coupons()
    {
        var confirmed = drained.Place(1, "mina", "123", ("keyboard", 2), ("lamp", 1));
        var refused = drained.Place(2, "jun", null, ("mouse", 21));
        drained.DeliverAll();
        Assert.Equal(OrderStatus.Confirmed, drained.Read<Order>($"orders:{Order.KeyOf(confirmed.Id)}")!.Status);
        var failed = drained.Read<Order>($"orders:{Order.KeyOf(refused.Id)}")!;
        Assert.Equal(("BALANCE_TOO_LOW", true), (failed.Failure!.Reason, failed.IsClosed));
        Assert.Empty(drained.Audit());
        Assert.Empty(drained.Letters);
    }

    [Fact]
    public void Its_logs_of_open_orders_are_taken_over_without_a_dead_letter()
    {
        foreach (var app in FuzzedShop.Apps)
        {
            Assert.NotEmpty(Closed.KeysOf($"{app}:open:"));
            // The third takes over what the first two have not seen change.
            for (var turn = 0; turn < 3; turn++) Assert.Null(drained.Sweep(app));
            // The end of a log, by which a writer would notice that it was taken over, expires.
            Assert.Equal([$"{app}:{OpenInstances.Key}"], drained.Documents.Keys.Where(key =>
                key.StartsWith($"{app}:open:", StringComparison.Ordinal) && drained.Read<OpenSegment>(key) is not { Sealed: true }));
            Assert.Empty(drained.Read<OpenInstances>($"{app}:{OpenInstances.Key}")!.Ids);
        }
        Assert.Empty(drained.Letters);
    }

    [Fact]
    public void What_it_still_holds_is_refused_and_stays_as_it_is()
    {
        var shop = Open.Start();
        string[] refused = [.. Open.Documents.Keys.Where(key => StoredShop.Read(shop, key) is null)];
        // Both open orders; of the one that was not cancelled, what Stock and Coupons hold for it. Payments was down.
        Assert.Equal(["coupons:coupon", "coupons:reservation", "orders:order", "orders:order", "stock:product", "stock:product", "stock:reservation"],
            refused.Select(key => string.Join(':', key.Split(':')[..2])).Order());
        var held = refused.Single(key => key == "stock:product:keyboard");
        var why = Assert.Throws<CorruptDocumentException>(() => StoredDocument.Parse<Stock.Product>("product:keyboard", shop.Documents[held].Data, FuzzedShop.Json));
        Assert.Contains("it holds 2, and its orders hold 0", why.Message);

        foreach (var e in Open.Events)
        {
            foreach (var app in shop.SubscribersOf(e.Topic).ToArray()) shop.Deliver(app, e.ToDelivery());
        }
        foreach (var app in FuzzedShop.Apps)
        {
            for (var turn = 0; turn < 3; turn++) Assert.Null(shop.Sweep(app));
        }
        Assert.Empty(shop.Bugs);
        Assert.All(refused, key => Assert.Equal(StoredShop.GetBytes(Open.Documents[key]), shop.Documents[key].Data));
        // Back in version 1, an operator has them tracked again by redriving these.
        Assert.Equal(
            ["orders it is still open, as version 1 stored it", "reservations it is still reserved, as only versions before 2 stored it"],
            shop.Letters.Where(letter => letter.Topic is "orders" or "reservations")
                .Select(letter => $"{letter.Topic} {letter.Problem!.Split(" is corrupt: ")[1].Split(" (docs/upgrading.md)")[0]}").Distinct().Order());
    }
}
