using Orders;
using Shop.V1;
using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests.Hazards;

/// <summary>What other readers see of an order in progress, and prechecks that are out of date.</summary>
public sealed class Isolation
{
    private readonly ScriptedShop shop = new();

    [Theory, InlineData(false), InlineData(true), Trait("Hazard", "H13")]
    public void Nothing_is_consumed_before_the_order_is_confirmed(bool fails)
    {
        if (fails) shop.Short("b", 0);
        var order = ScriptedShop.OrderOf("c", 1, ("a", 2), ("b", 1));
        var held = false;
        shop.AfterEach = () =>
        {
            held |= shop.Won.Held > 0;
            if (shop.Store.Read($"orders||{Orders.Order.KeyOf(order.Id)}").Value is Orders.Order { Status: OrderStatus.Confirmed }) return;
            Assert.Equal(0, shop.Pieces("a").Consumed);
            Assert.Equal(0, shop.Won.Consumed);
            Assert.Equal(0, shop.CouponUses.Consumed);
        };
        shop.Place(order);
        shop.DeliverAll();
        shop.CloseAll();
        Assert.True(held);
        Assert.Equal(fails ? 0 : 2, shop.Pieces("a").Consumed);
        Assert.Equal(fails ? 0 : 2_500, shop.Won.Consumed);
        Assert.Equal(fails ? 0 : 1, shop.CouponUses.Consumed);
    }

    [Fact, Trait("Hazard", "H14")]
    public void Totals_are_conserved_after_every_operation()
    {
        var looks = 0;
        shop.AfterEach = () =>
        {
            looks++;
            Assert.Equal(10, shop.Pieces("a").Total);
            Assert.Equal(10, shop.Pieces("b").Total);
            Assert.Equal(10_000, shop.Won.Total);
            Assert.Equal(1, shop.CouponUses.Total);
        };
        shop.Place(ScriptedShop.OrderOf("c", 1, ("a", 4), ("b", 4)));
        shop.Place(ScriptedShop.OrderOf("c", 2, ("a", 7)));
        shop.DeliverTogether();
        shop.CloseAll();
        Assert.InRange(looks, 50, 1_000);
    }

    [Fact, Trait("Hazard", "H15")]
    public void An_order_that_passed_the_precheck_fails_when_another_was_faster()
    {
        Assert.Empty(Checked(quantity: 8, price: 1_000).Problems);
        var first = shop.Place(ScriptedShop.OrderOf(null, 1, ("a", 3)));
        var second = shop.Place(ScriptedShop.OrderOf(null, 2, ("a", 8)));
        shop.DeliverAll();
        shop.CloseAll();
        Assert.Equal((OrderStatus.Confirmed, OrderStatus.Failed, "OUT_OF_STOCK"), (shop[first].Status, shop[second].Status, shop[second].Failure!.Reason));
    }

    [Fact, Trait("Hazard", "H15")]
    public void The_price_is_that_of_the_moment_of_placing()
    {
        var quote = Checked(quantity: 2, price: 1_000);
        var order = shop.Place(ScriptedShop.OrderOf(null) with { Items = quote.Items, Amounts = quote.Amounts });
        var key = $"stock||{Stock.Product.KeyOf("a")}";
        var (product, version) = shop.Store.Read(key);
        shop.Store.TryWrite(key, (Stock.Product)product! with { Price = 9_000 }, version);
        shop.CloseAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
        Assert.Equal(new Level(Available: 8_000, Consumed: 2_000), shop.Won);
    }

    /// <summary>The precheck: ten pieces, 10,000 won.</summary>
    private static Quote Checked(int quantity, long price) => PlacingDecisions.GetQuote(
        new PlaceOrderRequest { UserId = "u", Items = { new OrderItem { ProductId = "a", Quantity = quantity } } },
        new Dictionary<string, Product> { ["a"] = new() { ProductId = "a", Price = price, Available = 10 } },
        new() { UserId = "u", Balance = 10_000 }, null, default);
}
