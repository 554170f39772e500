using Shop.V1;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>Events that are delivered once, but out of order.</summary>
public sealed class EventsOutOfOrder
{
    private readonly ScriptedShop shop = new();

    [Fact, Trait("Hazard", "H1")]
    public void A_success_after_the_failure_is_compensated_although_order_failed_does_not_name_it()
    {
        shop.Short("a", 0);
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("stock", "order-created");
        shop.Deliver("orders", "stock-reservation-failed");
        Assert.Empty(FailedEvent.CompletedSteps);

        shop.Deliver("payments", "order-created");
        Assert.Equal(new Level(Available: 8_500, Held: 1_500), shop.Won);
        shop.Deliver("orders", "payment-completed");
        Assert.Equal((OrderStatus.Failed, StepState.Done, false), (shop[order].Status, shop[order][Orders.Step.Payment]!.State, shop[order].IsClosed));

        shop.CloseAll();
        Assert.Equal(new Level(Available: 10_000), shop.Won);
        Assert.Equal((StepState.Undone, $"pay-{order}"), (shop[order][Orders.Step.Payment]!.State, shop[order][Orders.Step.Payment]!.Reference));
    }

    [Theory, InlineData("stock"), InlineData("payments"), InlineData("coupons"), Trait("Hazard", "H2")]
    public void A_compensation_before_its_action_leaves_a_tombstone_that_prevents_the_action(string app)
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Together(shop.Cancelling(order));
        shop.Deliver(app, "order-failed");
        Assert.Equal((ReservationStatus.Released, false), (shop.ReservationOf(app, order)!.Status, shop.ReservationOf(app, order)!.WasReserved));

        shop.Deliver(app, "order-created");
        Assert.Equal(new Level(Available: 10), shop.Pieces("a"));
        Assert.Equal(new Level(Available: 10_000), shop.Won);
        Assert.Equal(new Level(Available: 1), shop.CouponUses);
        shop.CloseAll();
    }

    [Fact, Trait("Hazard", "B7")]
    public void A_payment_that_Orders_does_not_know_is_found_by_its_order_id()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("payments", "order-created");
        shop.Lose("orders", "payment-completed");
        shop.Together(shop.Cancelling(order));
        Assert.Null(shop[order][Orders.Step.Payment]!.Reference);
        Assert.DoesNotContain("pay-", FailedEvent.ToString());

        shop.Deliver("payments", "order-failed");
        Assert.Equal(new Level(Available: 10_000), shop.Won);
        shop.CloseAll();
        Assert.Equal(StepState.Undone, shop[order][Orders.Step.Payment]!.State);
    }

    [Fact, Trait("Hazard", "B13")]
    public void Payment_and_coupon_that_succeeded_before_stock_failed_are_compensated()
    {
        shop.Short("a", 1);
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["payments", "coupons"]) shop.Deliver(app, "order-created");
        foreach (var answer in (string[])["payment-completed", "coupon-used"]) shop.Deliver("orders", answer);
        Assert.Equal(new Level(Available: 8_500, Held: 1_500), shop.Won);
        Assert.Equal(new Level(Held: 1), shop.CouponUses);

        shop.Deliver("stock", "order-created");
        shop.Deliver("orders", "stock-reservation-failed");
        Assert.Equal([Shop.V1.Step.Payment, Shop.V1.Step.Coupon], FailedEvent.CompletedSteps);
        shop.CloseAll();
        Assert.Equal(new Level(Available: 1), shop.Pieces("a"));
        Assert.Equal(new Level(Available: 10_000), shop.Won);
        Assert.Equal(new Level(Available: 1), shop.CouponUses);
        Assert.Equal((StepState.Refused, StepState.Undone, StepState.Undone), (shop[order][Orders.Step.Stock]!.State, shop[order][Orders.Step.Payment]!.State, shop[order][Orders.Step.Coupon]!.State));
    }

    private OrderFailedEvent FailedEvent => (OrderFailedEvent)shop.Published.Last(e => e.Topic == "order-failed").Message;
}
