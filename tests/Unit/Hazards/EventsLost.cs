using Orders;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>An event never comes, or nobody is there to answer it, or the clock says something else than the truth.</summary>
public sealed class EventsLost
{
    private static readonly TimeSpan Quiet = ScriptedShop.SagaTimeouts.ResendAfter, Deadline = ScriptedShop.SagaTimeouts.Deadline;

    private readonly ScriptedShop shop = new();

    [Fact, Trait("Hazard", "H6")]
    public void An_order_created_that_nobody_heard_is_said_again()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.LoseAll();
        shop.Pass(Quiet);
        shop.Sweep("orders");
        shop.DeliverAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
        shop.ComeToRest();
    }

    [Fact, Trait("Hazard", "H6"), Trait("Hazard", "B12")]
    public void When_somebody_never_answers_the_order_fails_at_its_deadline_and_what_the_others_did_is_undone()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("stock", "order-created");
        shop.Deliver("orders", "stock-reserved");
        shop.LoseAll();
        shop.Pass(Deadline - TimeSpan.FromSeconds(1));
        shop.Sweep("orders");
        Assert.Equal(OrderStatus.Pending, shop[order].Status);
        shop.LoseAll();
        shop.Pass(TimeSpan.FromSeconds(1));
        shop.Sweep("orders");
        Assert.Equal((OrderStatus.Failed, "DEADLINE"), (shop[order].Status, shop[order].Failure!.Reason));
        Assert.Equal((8, 2, 0), shop.Pieces("a"));
        shop.ComeToRest();
        Assert.Equal((10, 0, 0), shop.Pieces("a"));
    }

    [Fact, Trait("Hazard", "H12")]
    public void A_compensation_that_fails_until_it_is_given_up_is_asked_for_again_until_it_is_done()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("payments", "order-created");
        shop.Deliver("orders", "payment-completed");
        shop.Together(shop.Cancelling(order));
        for (var attempt = 0; attempt < 8; attempt++)
        {
            shop.TroubleAhead("payments", Trouble.Failure, after: 0);
            shop.Deliver("payments", "order-failed");
            Assert.True(shop.TroubleCame);
        }
        shop.LoseAll();
        Assert.False(shop[order].IsClosed);

        shop.ComeToRest();
        Assert.Equal(((10_000, 0, 0), StepState.Undone), (shop.Won, shop[order].Payment.State));
    }

    /// <param name="seconds">How far the clock of Orders is set at the moment between placing and sweeping.</param>
    [Theory, InlineData(3_600), InlineData(-3_600), InlineData(-30), Trait("Hazard", "H21")]
    public void An_order_whose_clock_jumps_is_not_waited_for_longer_than_twice_its_deadline(int seconds)
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.LoseAll();
        shop.SetClock("orders", TimeSpan.FromSeconds(seconds));
        for (var waited = TimeSpan.Zero; waited < 2 * Deadline; waited += Quiet)
        {
            shop.Pass(Quiet);
            shop.Sweep("orders");
            shop.LoseAll();
        }
        Assert.Equal((OrderStatus.Failed, "DEADLINE"), (shop[order].Status, shop[order].Failure!.Reason));
        shop.ComeToRest();
    }

    [Fact, Trait("Hazard", "H21")]
    public void A_participant_whose_clock_is_far_off_decides_nothing_by_it()
    {
        foreach (var app in (string[])["stock", "payments"]) shop.SetClock(app, TimeSpan.FromDays(app == "stock" ? 3650 : -3650));
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["stock", "payments"])
        {
            shop.Deliver(app, "order-created");
            shop.Pass(2 * Quiet);
            shop.Sweep(app);
        }
        Assert.Equal(((8, 2, 0), (8_500, 1_500, 0)), (shop.Pieces("a"), shop.Won));
        shop.DeliverAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
        shop.ComeToRest();
    }
}
