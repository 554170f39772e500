using Orders;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>Lost events, dead participants, wrong clocks.</summary>
public sealed class EventsLost
{
    private static readonly TimeSpan ResendAfter = ScriptedShop.SagaTimeouts.ResendAfter, Deadline = ScriptedShop.SagaTimeouts.Deadline;

    private readonly ScriptedShop shop = new();

    [Fact, Trait("Hazard", "H6")]
    public void A_lost_order_created_is_resent()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.LoseAll();
        shop.Pass(ResendAfter);
        shop.Sweep("orders");
        shop.DeliverAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
        shop.CloseAll();
    }

    [Fact, Trait("Hazard", "H6"), Trait("Hazard", "B12")]
    public void Without_an_answer_the_order_fails_at_its_deadline_and_is_compensated()
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
        Assert.Equal(new Level(Available: 8, Held: 2), shop.Pieces("a"));
        shop.CloseAll();
        Assert.Equal(new Level(Available: 10), shop.Pieces("a"));
    }

    [Fact, Trait("Hazard", "H12")]
    public void A_failed_compensation_is_requested_again_until_it_succeeds()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("payments", "order-created");
        shop.Deliver("orders", "payment-completed");
        shop.Together(shop.Cancelling(order));
        for (var attempt = 0; attempt < 8; attempt++)
        {
            // A first read that fails is repeated.
            shop.TroubleAhead("payments", Fault.Failure, after: 1);
            shop.Deliver("payments", "order-failed");
            Assert.True(shop.TroubleCame);
        }
        shop.LoseAll();
        Assert.False(shop[order].IsClosed);

        shop.CloseAll();
        Assert.Equal(StepState.Undone, shop[order][Orders.Step.Payment]!.State);
        Assert.Equal(new Level(Available: 10_000), shop.Won);
    }

    [Fact, Trait("Hazard", "H12")]
    public void Resends_back_off_to_one_a_minute_while_a_participant_is_down()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Together(shop.Cancelling(order));
        List<int> resentAt = [];
        for (var second = 2; second <= 600; second += 2)
        {
            var before = shop.Published.Count(e => e.Topic == "order-failed");
            shop.LoseAll();
            shop.Pass(TimeSpan.FromSeconds(2));
            shop.Sweep("orders");
            if (shop.Published.Count(e => e.Topic == "order-failed") > before) resentAt.Add(second);
        }
        Assert.Equal([6, 12, 22, 42, 82, 142, 202], resentAt.Take(7));
        Assert.InRange(resentAt.Count, 13, 14);
        shop.CloseAll();
    }

    [Fact, Trait("Hazard", "H6")]
    public void The_deadline_does_not_wait_for_the_backoff_of_resends_and_order_failed_is_resent_without_it()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        List<string> published = [];
        for (var second = 2; second <= 68; second += 2)
        {
            var before = shop.Published.Count;
            shop.LoseAll();
            shop.Pass(TimeSpan.FromSeconds(2));
            shop.Sweep("orders");
            published.AddRange(shop.Published.Skip(before).Select(e => $"{second} {e.Topic}"));
        }
        Assert.Equal(["6 order-created", "12 order-created", "22 order-created", "42 order-created", "60 order-failed", "66 order-failed"], published);
        Assert.Equal(OrderStatus.Failed, shop[order].Status);
        shop.CloseAll();
    }

    /// <param name="seconds">The jump of the clock of Orders.</param>
    /// <param name="age">Of the order at the jump, in seconds.</param>
    [Theory, Trait("Hazard", "H21")]
    [InlineData(3_600, 0), InlineData(-3_600, 0), InlineData(-30, 0), InlineData(-30, 30), InlineData(-110, 55)]
    public void A_clock_jump_delays_the_deadline_at_most_to_three_times_its_length(int seconds, int age)
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.LoseAll();
        shop.Pass(TimeSpan.FromSeconds(age));
        shop.SetClock("orders", TimeSpan.FromSeconds(seconds));
        for (var waited = TimeSpan.FromSeconds(age); waited < 3 * Deadline; waited += ResendAfter)
        {
            shop.Pass(ResendAfter);
            shop.Sweep("orders");
            shop.LoseAll();
        }
        Assert.Equal((OrderStatus.Failed, "DEADLINE"), (shop[order].Status, shop[order].Failure!.Reason));
        shop.CloseAll();
    }

    [Fact, Trait("Hazard", "H21")]
    public void A_wrong_clock_of_a_participant_decides_nothing()
    {
        foreach (var app in (string[])["stock", "payments"]) shop.SetClock(app, TimeSpan.FromDays(app == "stock" ? 3650 : -3650));
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["stock", "payments"])
        {
            shop.Deliver(app, "order-created");
            shop.Pass(2 * ResendAfter);
            shop.Sweep(app);
        }
        Assert.Equal(new Level(Available: 8, Held: 2), shop.Pieces("a"));
        Assert.Equal(new Level(Available: 8_500, Held: 1_500), shop.Won);
        shop.DeliverAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
        shop.CloseAll();
    }
}
