using Orders;
using Shop.V1;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>An order that Orders carries out by calls, with a fault at each call and each operation.</summary>
public sealed class Orchestrated
{
    private static readonly string[] Reserves = ["stock Reserve", "payments Reserve", "coupons Reserve"];
    private static readonly string[] Releases = ["coupons Release", "payments Release", "stock Release"];

    [Fact]
    public void Each_participant_is_called_in_turn_and_the_order_is_paid()
    {
        var shop = new ScriptedShop();
        var paid = shop.Pay(ScriptedShop.OrderOf())!;
        Assert.Equal(OrderStatus.Confirmed, paid.Status);
        Assert.Equal(Reserves, shop.Calls);
        Assert.Equal(["order-confirmed"], shop.Published.Select(e => e.Topic));
        Assert.Equal(["order-created", "stock-reserved", "payment-completed", "coupon-used", "order-confirmed"], paid.Timeline.Select(entry => entry.Event));
        shop.CloseAll();
        Assert.Equal(new Level(Available: 8, Consumed: 2), shop.Pieces("a"));
    }

    [Fact]
    public void A_refusal_releases_in_reverse_and_the_steps_behind_it_are_never_begun()
    {
        var shop = new ScriptedShop();
        shop.Poor(100);
        var refused = shop.Pay(ScriptedShop.OrderOf())!;
        Assert.Equal([Reserves[0], Reserves[1], .. Releases], shop.Calls);
        Assert.Equal((OrderStatus.Failed, "BALANCE_TOO_LOW", true), (refused.Status, refused.Failure!.Reason, refused.IsClosed));
        Assert.Equal([StepState.Undone, StepState.Refused, StepState.Skipped], refused.Steps.Select(step => step.State));
        Assert.Empty(shop.Published);
        shop.CloseAll();
    }

    [Theory, InlineData(0), InlineData(1), InlineData(2)]
    public void A_lost_answer_is_asked_for_again_and_nothing_is_held_twice(int call)
    {
        var shop = new ScriptedShop();
        shop.CallFault = made => made == Reserves[call] && shop.Calls.Count(one => one == made) < 3 ? Fault.FalseFailure : null;
        Assert.Equal(OrderStatus.Confirmed, shop.Pay(ScriptedShop.OrderOf())!.Status);
        Assert.Equal(3, shop.Calls.Count(made => made == Reserves[call]));
        shop.CloseAll();
        Assert.Equal(8, shop.Pieces("a").Available);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_participant_that_does_not_answer_fails_the_order_and_releases_once_it_does(bool holds)
    {
        var shop = new ScriptedShop();
        var isSilent = true;
        shop.CallFault = made => made.StartsWith("payments", StringComparison.Ordinal) && isSilent ? (holds ? Fault.FalseFailure : Fault.Failure) : null;
        var failed = shop.Pay(ScriptedShop.OrderOf())!;
        Assert.Equal((OrderStatus.Failed, "DEADLINE", false), (failed.Status, failed.Failure!.Reason, failed.IsClosed));
        // One that does not answer keeps no other from releasing.
        Assert.Equal([StepState.Undone, StepState.Waiting, StepState.Skipped], failed.Steps.Select(step => step.State));
        Assert.Equal("STOCK done, PAYMENT waiting, COUPON nothing to undo", Explanation.GetCompensation(failed));
        isSilent = false;
        shop.CloseAll();
        Assert.Equal(holds ? StepState.Undone : StepState.Skipped, shop[failed.Id].Steps[1].State);
        Assert.Equal(10_000, shop.Won.Available);
    }

    [Theory, InlineData("stock"), InlineData("payments"), InlineData("coupons")]
    public void A_participant_of_an_older_version_fails_the_order_which_says_so_and_closes_once_it_is_replaced(string app)
    {
        var shop = new ScriptedShop { Older = { app } };
        var failed = shop.Pay(ScriptedShop.OrderOf())!;
        Assert.Equal((OrderStatus.Failed, "DEADLINE", false), (failed.Status, failed.Failure!.Reason, failed.IsClosed));
        var step = Orders.Step.Of(app);
        Assert.Contains(step.Participant, failed.Failure.Detail);
        var waits = Assert.Single(shop.Explain(failed.Id).WaitsFor);
        Assert.StartsWith($"{step.Participant} has not answered the call Release", waits);
        Assert.EndsWith("it has no shop.v1.ParticipantService, as before orchestrated orders; a newer version has to be installed (docs/upgrading.md).", waits);
        // It can still be reached by events, and the others have released.
        var placed = shop.Place(ScriptedShop.OrderOf(coupon: null, number: 2));
        shop.DeliverAll();
        Assert.Equal(OrderStatus.Confirmed, shop[placed].Status);
        shop.Older.Clear();
        shop.CloseAll();
        Assert.True(shop[failed.Id].IsClosed);
        Assert.Empty(shop.Explain(failed.Id).WaitsFor);
    }

    [Fact, Trait("Hazard", "H5")]
    public void A_crash_between_any_two_operations_of_any_service_leaves_an_order_that_closes_correctly() => Everywhere(Fault.Death);

    [Fact, Trait("Hazard", "H5")]
    public void A_sidecar_outage_during_any_one_operation_leaves_an_order_that_closes_correctly() => Everywhere(Fault.Failure);

    [Fact, Trait("Hazard", "H23")]
    public void A_write_that_succeeded_but_was_reported_as_failed_is_not_repeated() => Everywhere(Fault.FalseFailure);

    /// <summary>The fault at each operation of each service in turn, for an order that is paid and one that is refused.</summary>
    private static void Everywhere(Fault fault)
    {
        foreach (var balance in (long[])[10_000, 100])
        {
            foreach (var app in (string[])["orders", "stock", "payments", "coupons"])
            {
                var at = 0;
                for (; ; at++)
                {
                    var shop = new ScriptedShop();
                    shop.Poor(balance);
                    shop.TroubleAhead(app, fault, at);
                    var order = ScriptedShop.OrderOf();
                    try
                    {
                        shop.Pay(order);
                    }
                    catch (SidecarDownException)
                    {
                        // Placing failed, and the client was told.
                    }
                    if (!shop.TroubleCame) break;
                    shop.CloseAll();
                }
                Assert.InRange(at, 1, 60);
            }
        }
    }

    [Fact]
    public void Two_runs_at_the_same_time_hold_once()
    {
        for (var seed = 1; seed < 200; seed++)
        {
            var shop = new ScriptedShop(seed);
            var order = ScriptedShop.OrderOf() with { Pattern = SagaPattern.Orchestration };
            shop.Place(order);
            shop.Pass(ScriptedShop.SagaTimeouts.ResendAfter);
            shop.Together(shop.Sweeping("orders"), shop.Sweeping("orders", shop.Another("orders")), shop.Paying(order.Id));
            Assert.Equal(OrderStatus.Confirmed, shop[order.Id].Status);
            shop.CloseAll();
        }
    }

    [Fact]
    public void Without_a_broker_the_order_is_paid_and_the_participants_ask_for_its_end()
    {
        var shop = new ScriptedShop { IsBrokerDown = true };
        Assert.Equal(OrderStatus.Confirmed, shop.Pay(ScriptedShop.OrderOf())!.Status);
        shop.IsBrokerDown = false;
        shop.Pass(ScriptedShop.SagaTimeouts.Deadline);
        foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Sweep(app);
        Assert.Equal((0, 2), (shop.Pieces("a").Held, shop.Pieces("a").Consumed));
        shop.CloseAll();
    }

    [Theory, InlineData("not a code", "x"), InlineData("", "x"), InlineData("NO", null)]
    public void An_answer_that_breaks_the_contract_counts_as_none(string reason, string? detail)
    {
        var shop = new ScriptedShop
        {
            FakeAnswer = call => call == Reserves[2] ? new() { Rejection = new() { Reason = reason, Detail = detail ?? new string('x', 2_000) } } : null,
        };
        var failed = shop.Pay(ScriptedShop.OrderOf())!;
        Assert.Equal((OrderStatus.Failed, "DEADLINE", true), (failed.Status, failed.Failure!.Reason, failed.IsClosed));
        shop.CloseAll();
        Assert.Equal(10, shop.Pieces("a").Available);
    }

    [Fact]
    public void A_participant_that_does_not_answer_stops_no_other_order_of_the_sweep()
    {
        var shop = new ScriptedShop { CallFault = call => call.StartsWith("payments", StringComparison.Ordinal) ? Fault.Failure : null };
        for (var number = 1; number <= 6; number++) shop.Pay(ScriptedShop.OrderOf(coupon: null, number));
        var waiting = ScriptedShop.OrderOf(coupon: null, number: 9) with { Pattern = SagaPattern.Orchestration };
        shop.Place(waiting);
        shop.LoseAll();
        shop.Calls.Clear();
        shop.Pass(ScriptedShop.SagaTimeouts.Deadline);
        shop.Sweep("orders");
        Assert.Equal(OrderStatus.Failed, shop[waiting.Id].Status);
        // Of the orders that wait for Payments one is tried, and the others do without it.
        Assert.Equal(["payments Release", "coupons Release", "stock Release"], shop.Calls);
        Assert.Equal("payments", Assert.Single(OrderDecisions.PendingSteps(shop[waiting.Id])).Name);
        shop.CallFault = _ => null;
        shop.CloseAll();
    }

    [Fact]
    public void Slow_participants_keep_a_sweep_no_longer_than_until_its_time_for_calls_is_up()
    {
        var shop = new ScriptedShop();
        for (var number = 1; number <= 6; number++) shop.Place(ScriptedShop.OrderOf(coupon: null, number) with { Pattern = SagaPattern.Orchestration });
        shop.Pass(ScriptedShop.SagaTimeouts.ResendAfter);
        shop.CallFault = _ =>
        {
            shop.Pass(TimeSpan.FromSeconds(1.9));
            return null;
        };
        shop.Sweep("orders");
        // The second order is begun after 3.8 s, and left after 5.7.
        Assert.Equal([Reserves[0], Reserves[1], Reserves[0]], shop.Calls);
        shop.CallFault = _ => null;
        shop.CloseAll();
    }

    [Fact]
    public void An_event_answers_for_no_orchestrated_order()
    {
        var shop = new ScriptedShop { ExpectedDeadLetters = 1 };
        var order = ScriptedShop.OrderOf() with { Pattern = SagaPattern.Orchestration };
        shop.Place(order);
        shop.Receive("orders", "forged", new StockReservedEvent { OrderId = order.Id, ReservationId = "forged" });
        Assert.Equal(StepState.Waiting, shop[order.Id].Steps[0].State);
        shop.CloseAll();
    }

    [Fact]
    public void A_cancelled_order_is_released_by_the_sweep()
    {
        var shop = new ScriptedShop();
        shop.TroubleAhead("orders", Fault.Death, 8);
        var order = ScriptedShop.OrderOf();
        shop.Pay(order);
        Assert.Equal(OrderStatus.Pending, shop[order.Id].Status);
        shop.Together(shop.Cancelling(order.Id));
        Assert.False(shop[order.Id].IsClosed);
        shop.CloseAll();
        Assert.Equal(("CANCELLED", 10), (shop[order.Id].Failure!.Reason, shop.Pieces("a").Available));
    }
}
