using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests.Hazards;

/// <summary>A fault at each operation of each service in turn.</summary>
public sealed class Crashes
{
    /// <summary>
    /// Every step that saves and then publishes: placing, the three answers, the final event, and its effects. Only what must be is
    /// delivered before.
    /// </summary>
    private static readonly (string App, Action<ScriptedShop> Before, Action<ScriptedShop> Then)[] Places =
    [
        ("orders", _ => { }, shop => shop.Place(ScriptedShop.OrderOf())),
        ("stock", Placed, shop => shop.Deliver("stock", "order-created")),
        ("payments", Placed, shop => shop.Deliver("payments", "order-created")),
        ("coupons", Placed, shop => shop.Deliver("coupons", "order-created")),
        ("orders", Answered, shop => shop.Deliver("orders", "coupon-used")),
        ("stock", Confirmed, shop => shop.Deliver("stock", "order-confirmed")),
        ("payments", Cancelled, shop => shop.Deliver("payments", "order-failed")),
        ("orders", Refunded, shop => shop.Deliver("orders", "payment-refunded")),
    ];

    public static TheoryData<int> AllPlaces => [.. Enumerable.Range(0, Places.Length)];

    [Theory, MemberData(nameof(AllPlaces)), Trait("Hazard", "H5")]
    public void A_crash_between_any_two_operations_leaves_an_order_that_closes_correctly(int place) => Assert.InRange(Everywhere(place, Fault.Death), 1, 20);

    [Theory, MemberData(nameof(AllPlaces)), Trait("Hazard", "H5")]
    public void A_sidecar_outage_during_any_one_operation_leaves_an_order_that_closes_correctly(int place) =>
        Assert.InRange(Everywhere(place, Fault.Failure), 1, 20);

    [Theory, MemberData(nameof(AllPlaces)), Trait("Hazard", "H23")]
    public void A_write_that_succeeded_but_was_reported_as_failed_is_not_repeated(int place) => Assert.InRange(Everywhere(place, Fault.FalseFailure), 1, 20);

    /// <summary>The sweep abandons the id meanwhile; the handler may be suspended again before it finds out, and the id abandoned again.</summary>
    [Fact, Trait("Hazard", "H6")]
    public void A_placement_suspended_twice_beyond_the_deadline_leaves_a_tracked_order()
    {
        var (slept, voided) = (0, 0);
        for (var first = 0; ; first++)
        {
            for (var second = 0; ; second++)
            {
                var shop = new ScriptedShop();
                shop.TroubleAhead("orders", Fault.Sleep, first);
                shop.Place(ScriptedShop.OrderOf());
                if (!shop.TroubleCame)
                {
                    Assert.InRange(slept, 20, 200);
                    Assert.InRange(voided, 3, 100);
                    return;
                }
                SweepForLong(shop);
                shop.TroubleAhead("orders", Fault.Sleep, second);
                shop.Wake();
                if (!shop.TroubleCame) break;
                slept++;
                if (shop.Store.All<Orders.Order>("orders||order:").Any(order => order.Status == OrderStatus.Abandoned)) voided++;
                SweepForLong(shop);
                shop.Wake();
                shop.LoseAll();
                shop.CloseAll();
            }
        }

        static void SweepForLong(ScriptedShop shop)
        {
            for (var sweep = 0; sweep < 4; sweep++)
            {
                shop.Pass(ScriptedShop.SagaTimeouts.Deadline / 2);
                shop.Sweep("orders");
            }
        }
    }

    [Fact, Trait("Hazard", "H8")]
    public void A_partial_reservation_is_released_wherever_Stock_crashes()
    {
        var deaths = 0;
        for (var after = 0; ; after++)
        {
            var shop = new ScriptedShop();
            shop.Short("c", 0);
            var order = shop.Place(ScriptedShop.OrderOf("c", 1, ("a", 2), ("b", 3), ("c", 1)));
            shop.TroubleAhead("stock", Fault.Death, after);
            shop.Deliver("stock", "order-created");
            if (!shop.TroubleCame) break;
            deaths++;
            shop.CloseAll();
            Assert.Equal((OrderStatus.Failed, "OUT_OF_STOCK"), (shop[order].Status, shop[order].Failure!.Reason));
            Assert.Equal(new Level(Available: 10), shop.Pieces("a"));
            Assert.Equal(new Level(Available: 10), shop.Pieces("b"));
            Assert.Equal(new Level(Available: 0), shop.Pieces("c"));
        }
        Assert.InRange(deaths, 6, 30);
    }

    /// <returns>The number of operations that can fail.</returns>
    private static int Everywhere(int place, Fault what)
    {
        var (app, before, then) = Places[place];
        for (var after = 0; ; after++)
        {
            var shop = new ScriptedShop();
            before(shop);
            shop.TroubleAhead(app, what, after);
            var failed = Record.Exception(() => then(shop));
            Assert.True(failed is null or SidecarDownException, $"{failed}");
            if (!shop.TroubleCame) return after;
            shop.CloseAll();
        }
    }

    private static void Placed(ScriptedShop shop) => shop.Place(ScriptedShop.OrderOf());

    private static void Answered(ScriptedShop shop)
    {
        Placed(shop);
        foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Deliver(app, "order-created");
        foreach (var answer in (string[])["stock-reserved", "payment-completed"]) shop.Deliver("orders", answer);
    }

    private static void Confirmed(ScriptedShop shop)
    {
        Answered(shop);
        shop.Deliver("orders", "coupon-used");
    }

    private static void Cancelled(ScriptedShop shop)
    {
        Placed(shop);
        shop.Deliver("payments", "order-created");
        shop.Together(shop.Cancelling(ScriptedShop.OrderOf().Id));
    }

    private static void Refunded(ScriptedShop shop)
    {
        Cancelled(shop);
        shop.Deliver("payments", "order-failed");
    }
}
