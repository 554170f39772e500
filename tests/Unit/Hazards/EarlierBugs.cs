using Orders;
using Shop.V1;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>
/// Bugs of an earlier order system, each with the history in which it occurred. Bugs between two orders: <see cref="TwoOrders"/>; between saving
/// and publishing: <see cref="SaveThenPublish"/>.
/// </summary>
public sealed class EarlierBugs
{
    private readonly ScriptedShop shop = new();

    [Fact, Trait("Hazard", "B1")]
    public void A_success_after_the_failure_is_recorded_and_its_compensation_awaited()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["payments", "coupons"]) shop.Deliver(app, "order-created");
        foreach (var answer in (string[])["payment-completed", "coupon-used"]) shop.Deliver("orders", answer);
        shop.Together(shop.Cancelling(order));
        shop.Deliver("stock", "order-created");
        shop.Deliver("orders", "stock-reserved");
        Assert.All(shop[order].Steps, step => Assert.Equal(StepState.Done, step.State));
        Assert.Equal((OrderStatus.Failed, "stock-reserved"), (shop[order].Status, shop[order].Timeline[^1].Event));

        foreach (var app in (string[])["payments", "coupons"]) shop.Deliver(app, "order-failed");
        foreach (var answer in (string[])["payment-refunded", "coupon-restored"]) shop.Deliver("orders", answer);
        var failed = shop[order];
        Assert.Equal((OrderStatus.Failed, StepState.Done, false), (failed.Status, failed[Orders.Step.Stock]!.State, failed.IsClosed));
        Assert.Equal("STOCK waiting, PAYMENT done, COUPON done", Explanation.GetCompensation(failed));
        Assert.Contains("stock-released (it has something to undo)",
            Assert.Single(Explanation.Of(failed, SagaSteps.Default, ScriptedShop.SagaTimeouts, failed.LastChange, _ => null).WaitsFor));

        shop.Deliver("stock", "order-failed");
        shop.Deliver("orders", "stock-released");
        Assert.Equal((StepState.Undone, true), (shop[order][Orders.Step.Stock]!.State, shop[order].IsClosed));
        Assert.Equal(new Level(Available: 10), shop.Pieces("a"));
        Assert.DoesNotContain(shop.Published, e => e.Topic == "order-confirmed");
        shop.CloseAll();
    }

    [Fact, Trait("Hazard", "B3")]
    public void A_rejected_reservation_restores_earlier_lines_by_itself()
    {
        shop.Short("c", 1);
        List<HeldPieces> held = [];
        shop.AfterEach = () =>
        {
            held.Add(new(A: shop.Pieces("a").Held, B: shop.Pieces("b").Held));
            Assert.Equal(new Level(Available: 1), shop.Pieces("c"));
        };
        var order = shop.Place(ScriptedShop.OrderOf(null, 1, ("a", 2), ("b", 3), ("c", 2)));
        shop.Deliver("stock", "order-created");
        Assert.Contains(new HeldPieces(A: 2, B: 3), held);
        Assert.Equal(new Level(Available: 10), shop.Pieces("a"));
        Assert.Equal(new Level(Available: 10), shop.Pieces("b"));
        Assert.Equal(["order-created", "stock-reservation-failed"], shop.Published.Select(e => e.Topic));

        shop.CloseAll();
        Assert.Equal((OrderStatus.Failed, StepState.Refused, true), (shop[order].Status, shop[order][Orders.Step.Stock]!.State, shop[order][Orders.Step.Stock]!.Compensated));
        Assert.Equal(new Level(Available: 10), shop.Pieces("a"));
        Assert.Equal(new Level(Available: 10), shop.Pieces("b"));
    }

    [Fact, Trait("Hazard", "B5")]
    public void A_refund_that_fails_at_every_operation_in_turn_pays_back_once()
    {
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("payments", "order-created");
        shop.Deliver("orders", "payment-completed");
        shop.Together(shop.Cancelling(order));
        List<long> balances = [shop.Won.Available];
        shop.AfterEach = () =>
        {
            if (shop.Won.Available != balances[^1]) balances.Add(shop.Won.Available);
        };

        Fault[] troubles = [Fault.Failure, Fault.FalseFailure, Fault.Death];
        var attempts = 0;
        do
        {
            Assert.Equal((StepState.Done, false), (shop[order][Orders.Step.Payment]!.State, shop[order][Orders.Step.Payment]!.Compensated));
            // A first read that fails is repeated.
            shop.TroubleAhead("payments", troubles[attempts % 3], after: 1 + attempts / 3);
            shop.Deliver("payments", "order-failed");
            attempts++;
        }
        while (shop.TroubleCame);
        Assert.InRange(attempts, 7, 30);

        Assert.All(shop.Published.Select(e => e.Message).OfType<PaymentRefundedEvent>(), refunded => Assert.True(refunded.Undone));
        shop.CloseAll();
        Assert.Equal([8_500, 10_000], balances);
        Assert.Equal(StepState.Undone, shop[order][Orders.Step.Payment]!.State);
        Assert.Equal(new Level(Available: 10_000), shop.Won);
    }

    [Theory, Trait("Hazard", "B10")]
    [InlineData("stock-reservation-failed", "payment-failed")]
    [InlineData("payment-failed", "stock-reservation-failed")]
    public void Two_failures_fail_the_order_once_with_the_first_reason(string first, string second)
    {
        shop.Short("a", 0);
        shop.Poor(0);
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Deliver(app, "order-created");
        foreach (var answer in (string[])["coupon-used", first, second]) shop.Deliver("orders", answer);
        foreach (var refusal in (string[])[first, second, first]) shop.DeliverAgain("orders", refusal);
        shop.LoseAll();
        shop.Pass(ScriptedShop.SagaTimeouts.ResendAfter);
        shop.Sweep("orders");

        var words = shop.Published.Select(e => e.Message).OfType<OrderFailedEvent>().ToArray();
        Assert.Equal(5, words.Length);
        Assert.All(words, word => Assert.Equal(words[0], word));
        Assert.Equal(first == "payment-failed" ? "BALANCE_TOO_LOW" : "OUT_OF_STOCK", words[0].Reason);
        Assert.Equal([Shop.V1.Step.Coupon], words[0].CompletedSteps);
        Assert.Equal([first, "order-failed", second], shop[order].Timeline.Select(entry => entry.Event).Skip(2));
        shop.CloseAll();
        Assert.Equal((StepState.Refused, StepState.Refused, StepState.Undone),
            (shop[order][Orders.Step.Stock]!.State, shop[order][Orders.Step.Payment]!.State, shop[order][Orders.Step.Coupon]!.State));
    }

    /// <summary>Pieces of the products a and b that are held at one moment.</summary>
    private sealed record HeldPieces(long A, long B);
}
