using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests.Hazards;

/// <summary>Races of two processes, in many sequences.</summary>
public sealed class Races
{
    private const int Seeds = 60;

    [Fact, Trait("Hazard", "H4")]
    public void Two_concurrent_failures_fail_the_order_once()
    {
        for (var seed = 0; seed < Seeds; seed++)
        {
            var shop = new ScriptedShop(seed);
            shop.Short("a", 0);
            shop.Poor(0);
            var order = shop.Place(ScriptedShop.OrderOf());
            foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Deliver(app, "order-created");
            shop.Together(shop.Delivering("orders", "stock-reservation-failed"), shop.Delivering("orders", "payment-failed", shop.Another("orders")));
            Assert.Single(shop[order].Timeline, entry => entry.Event == "order-failed");
            Assert.Single(shop.Published, e => e.Topic == "order-failed");
            shop.CloseAll();
        }
    }

    [Fact, Trait("Hazard", "H7")]
    public void The_last_success_and_the_deadline_race_to_one_outcome() => EndsBothWays(shop =>
    {
        shop.Pass(ScriptedShop.SagaTimeouts.Deadline);
        var deadline = shop.Sweeping("orders");
        shop.Together(shop.Delivering("orders", "coupon-used", shop.Another("orders")), deadline);
    });

    [Fact, Trait("Hazard", "H25")]
    public void The_last_success_and_a_cancellation_race_to_one_outcome() => EndsBothWays(shop =>
        shop.Together(shop.Delivering("orders", "coupon-used", shop.Another("orders")), shop.Cancelling(ScriptedShop.OrderOf().Id)));

    [Fact, Trait("Hazard", "H25")]
    public void A_confirmed_order_cannot_be_cancelled()
    {
        var shop = new ScriptedShop();
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.CloseAll();
        shop.Together(shop.Cancelling(order));
        shop.CloseAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
    }

    [Fact, Trait("Hazard", "H9")]
    public void Two_concurrent_orders_cannot_both_spend_one_balance()
    {
        for (var seed = 0; seed < Seeds; seed++)
        {
            var shop = TwoAtOnce(seed, "payments", ScriptedShop.OrderOf(null, 1, ("a", 6)), ScriptedShop.OrderOf(null, 2, ("b", 7)));
            Assert.InRange(shop.Won.Consumed, 6_000, 7_000);
        }
    }

    [Fact, Trait("Hazard", "H10")]
    public void Two_concurrent_orders_cannot_both_use_one_coupon()
    {
        for (var seed = 0; seed < Seeds; seed++)
        {
            var shop = TwoAtOnce(seed, "coupons", ScriptedShop.OrderOf("c", 1, ("a", 1)), ScriptedShop.OrderOf("c", 2, ("b", 1)));
            Assert.Equal(new Level(Consumed: 1), shop.CouponUses);
        }
    }

    /// <summary>One order that waits for its coupon only.</summary>
    private static void EndsBothWays(Action<ScriptedShop> race)
    {
        HashSet<OrderStatus> ends = [];
        for (var seed = 0; seed < Seeds; seed++)
        {
            var shop = new ScriptedShop(seed);
            var order = shop.Place(ScriptedShop.OrderOf());
            foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Deliver(app, "order-created");
            foreach (var answer in (string[])["stock-reserved", "payment-completed"]) shop.Deliver("orders", answer);
            race(shop);
            shop.CloseAll();
            ends.Add(shop[order].Status);
        }
        Assert.Equal([OrderStatus.Confirmed, OrderStatus.Failed], ends.Order());
    }

    /// <summary>Two orders of which one can be confirmed, each handled by a process of its own.</summary>
    private static ScriptedShop TwoAtOnce(int seed, string app, Orders.Order one, Orders.Order other)
    {
        var shop = new ScriptedShop(seed);
        shop.Place(one);
        shop.Place(other);
        shop.Together(shop.Delivering(app, "order-created"), shop.Delivering(app, "order-created", shop.Another(app)));
        shop.CloseAll();
        Assert.Equal([OrderStatus.Confirmed, OrderStatus.Failed], new[] { shop[one.Id].Status, shop[other.Id].Status }.Order());
        return shop;
    }
}
