using Orders;
using Shop.V1;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>Two orders of one user, of which one fails: it is compensated completely, and the other is not touched.</summary>
public sealed class TwoOrders
{
    private static readonly string[] Participants = ["stock", "payments", "coupons"];

    private readonly ScriptedShop shop = new();

    [Fact, Trait("Hazard", "B6")]
    public void With_two_instances_one_of_two_orders_with_one_coupon_is_confirmed_and_the_other_compensated()
    {
        HashSet<string> winners = [];
        for (var seed = 0; seed < 60; seed++)
        {
            var raced = new ScriptedShop(seed);
            string[] orders = [raced.Place(ScriptedShop.OrderOf("c", 1, ("a", 3))), raced.Place(ScriptedShop.OrderOf("c", 2, ("b", 3)))];
            raced.Together([.. Participants.SelectMany(app => (Func<Task>[])
                [raced.Delivering(app, "order-created"), raced.Delivering(app, "order-created", raced.Another(app))])]);
            raced.DeliverTogether();
            raced.CloseAll();

            var winner = Assert.Single(orders, order => raced[order].Status == OrderStatus.Confirmed);
            var loser = raced[Assert.Single(orders, order => raced[order].Status == OrderStatus.Failed)];
            winners.Add(winner);
            Assert.Equal(new Level(Consumed: 1), raced.CouponUses);
            Assert.Equal((ReservationStatus.Settled, ReservationStatus.Rejected),
                (raced.ReservationOf("coupons", winner)!.Status, raced.ReservationOf("coupons", loser.Id)!.Status));
            Assert.Equal(("COUPON_ALREADY_USED", StepState.Undone, StepState.Undone),
                (loser.Failure!.Reason, loser[Orders.Step.Stock]!.State, loser[Orders.Step.Payment]!.State));
            Assert.Equal(new Level(Available: 7_500, Consumed: 2_500), raced.Won);
            Assert.Equal(new Level(Available: 10), raced.Pieces(loser.Items[0].ProductId));
        }
        Assert.Equal(2, winners.Count);
    }

    [Fact, Trait("Hazard", "B9")]
    public void A_failed_order_without_a_coupon_leaves_the_coupons_of_its_user_alone()
    {
        shop.Short("b", 0);
        var other = shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("coupons", "order-created");
        var held = shop.Store.Read($"coupons||{Coupons.Coupon.KeyOf("c")}");
        var order = shop.Place(ScriptedShop.OrderOf(null, 2, ("b", 1)));
        shop.Deliver("coupons", "order-created");
        for (var times = 0; times < 2; times++) shop.Deliver("orders", "coupon-used");
        for (var times = 0; times < 2; times++) shop.Deliver("stock", "order-created");
        shop.Deliver("orders", "stock-reservation-failed");
        Assert.Equal([Shop.V1.Step.Coupon], ((OrderFailedEvent)shop.Published[^1].Message).CompletedSteps);

        shop.Deliver("coupons", "order-failed");
        Assert.Equal(new CouponRestoredEvent { OrderId = order, Undone = false }, shop.Published[^1].Message);
        Assert.Equal(held, shop.Store.Read($"coupons||{Coupons.Coupon.KeyOf("c")}"));
        Assert.Equal(new Level(Held: 1), shop.CouponUses);
        Assert.Null(shop.ReservationOf("coupons", order));
        shop.CloseAll();
        Assert.Equal((OrderStatus.Failed, OrderStatus.Confirmed), (shop[order].Status, shop[other].Status));
        Assert.Equal(new Level(Consumed: 1), shop.CouponUses);
    }

    [Fact, Trait("Hazard", "B11")]
    public void A_balance_spent_between_precheck_and_charge_fails_the_order_and_compensates_stock_and_coupon()
    {
        var (first, second) = (Checked("a", 6, coupon: null), Checked("b", 5, coupon: "c"));
        Assert.Empty(first.Problems.AddRange(second.Problems));
        var quicker = shop.Place(ScriptedShop.OrderOf(null, 1) with { Items = first.Items, Amounts = first.Amounts });
        var order = shop.Place(ScriptedShop.OrderOf("c", 2) with { Items = second.Items, Amounts = second.Amounts });
        foreach (var app in Participants) for (var times = 0; times < 2; times++) shop.Deliver(app, "order-created");
        Assert.Equal(new Level(Available: 4_000, Held: 6_000), shop.Won);
        Assert.Equal(new Level(Available: 5, Held: 5), shop.Pieces("b"));
        Assert.Equal(new Level(Held: 1), shop.CouponUses);
        Assert.Equal("BALANCE_TOO_LOW", Assert.Single(Checked("b", 5, coupon: "c").Problems).Reason.Reason);

        shop.CloseAll();
        Assert.Equal((OrderStatus.Confirmed, OrderStatus.Failed, "BALANCE_TOO_LOW"),
            (shop[quicker].Status, shop[order].Status, shop[order].Failure!.Reason));
        Assert.Equal((StepState.Undone, StepState.Refused, StepState.Undone),
            (shop[order][Orders.Step.Stock]!.State, shop[order][Orders.Step.Payment]!.State, shop[order][Orders.Step.Coupon]!.State));
        Assert.Equal(new Level(Available: 4_000, Consumed: 6_000), shop.Won);
        Assert.Equal(new Level(Available: 10), shop.Pieces("b"));
        Assert.Equal(new Level(Available: 1), shop.CouponUses);
    }

    /// <summary>The precheck.</summary>
    private Quote Checked(string product, int quantity, string? coupon) => PlacingDecisions.GetQuote(
        new() { UserId = "u", Items = { new OrderItem { ProductId = product, Quantity = quantity } } },
        new Dictionary<string, Product> { [product] = new() { ProductId = product, Price = 1_000, Available = 10 } },
        new() { UserId = "u", Balance = shop.Won.Available },
        coupon is null ? null : new Coupon
        {
            UserCouponId = coupon, UserId = "u", AmountOff = 500, Status = CouponStatus.Available,
            ValidUntil = new() { Seconds = DateTimeOffset.MaxValue.ToUnixTimeSeconds() },
        },
        default);
}
