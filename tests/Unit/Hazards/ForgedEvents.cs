using Orders;
using Shop.V1;
using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests.Hazards;

/// <summary>Events of Orders that another publisher has sent, with the token of its sidecar.</summary>
public sealed class ForgedEvents
{
    private readonly ScriptedShop shop = new();

    [Theory, Trait("Hazard", "H30")]
    [InlineData("stock", true), InlineData("payments", true), InlineData("coupons", true)]
    [InlineData("stock", false), InlineData("payments", false), InlineData("coupons", false)]
    public void An_order_failed_for_a_pending_order_fails_it_at_all_participants(string app, bool hasReserved)
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        if (hasReserved) shop.Deliver(app, "order-created");
        shop.Receive(app, "forged", OrderDecisions.ToFailedEvent(shop[order] with { Failure = new("CANCELLED", "It was cancelled.") }));
        shop.DeliverAll();
        shop.CloseAll();
        var failed = shop[order];
        Assert.Equal((OrderStatus.Failed, true), (failed.Status, failed.IsClosed));
        Assert.Contains(failed.Failure!.Reason, new[] { "STEP_UNDONE", FailureReason.OrderAlreadyFailed.Reason });
        Assert.Equal((new Level(Available: 10), new Level(Available: 10_000), new Level(Available: 1)), (shop.Pieces("a"), shop.Won, shop.CouponUses));
    }

    [Theory, InlineData("stock"), InlineData("payments"), InlineData("coupons")]
    public void So_it_does_an_orchestrated_one(string app)
    {
        var order = ScriptedShop.OrderOf() with { Pattern = SagaPattern.Orchestration };
        shop.Place(order);
        shop.Receive(app, "forged", OrderDecisions.ToFailedEvent(shop[order.Id] with { Failure = new("CANCELLED", "It was cancelled.") }));
        shop.DeliverAll();
        shop.CloseAll();
        Assert.Equal((OrderStatus.Failed, "STEP_UNDONE", true), (shop[order.Id].Status, shop[order.Id].Failure!.Reason, shop[order.Id].IsClosed));
        Assert.Equal((new Level(Available: 10), new Level(Available: 10_000), new Level(Available: 1)), (shop.Pieces("a"), shop.Won, shop.CouponUses));
    }
}
