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
            Assert.Equal((0, 0, 0), (shop.Pieces("a").Gone, shop.Won.Gone, shop.CouponUses.Gone));
        };
        shop.Place(order);
        shop.DeliverAll();
        shop.CloseAll();
        Assert.True(held);
        Assert.Equal(fails ? (0, 0, 0) : (2, 2_500, 1), (shop.Pieces("a").Gone, shop.Won.Gone, shop.CouponUses.Gone));
    }

    [Fact, Trait("Hazard", "H14")]
    public void Totals_are_conserved_after_every_operation()
    {
        var looks = 0;
        shop.AfterEach = () =>
        {
            looks++;
            foreach (var seen in ((long Available, long Held, long Gone)[])[shop.Pieces("a"), shop.Pieces("b")]) Assert.Equal(10, seen.Available + seen.Held + seen.Gone);
            Assert.Equal(10_000, shop.Won.Available + shop.Won.Held + shop.Won.Gone);
            Assert.Equal(1, shop.CouponUses.Available + shop.CouponUses.Held + shop.CouponUses.Gone);
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
        Assert.Equal((OrderStatus.Confirmed, (8_000L, 0L, 2_000L)), (shop[order].Status, shop.Won));
    }

    /// <summary>The precheck: ten pieces, 10,000 won.</summary>
    private static Quote Checked(int quantity, long price) => Quote.For(
        new PlaceOrderRequest { UserId = "u", Items = { new OrderItem { ProductId = "a", Quantity = quantity } } },
        new Dictionary<string, Product> { ["a"] = new() { ProductId = "a", Price = price, Available = 10 } },
        new() { UserId = "u", Balance = 10_000 }, null, default);
}
