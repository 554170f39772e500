using Google.Protobuf;
using Shop.V1;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Hazards;

/// <summary>Duplicates, at once or days later, and payloads that are not events.</summary>
public sealed class EventsTwice
{
    private readonly ScriptedShop shop = new();

    [Theory, InlineData(false), InlineData(true), Trait("Hazard", "H3"), Trait("Hazard", "B12")]
    public void Every_event_delivered_three_times_has_its_effect_once(bool fails)
    {
        if (fails) shop.Poor(100);
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["stock", "payments", "coupons"]) for (var times = 0; times < 2; times++) shop.DeliverAgain(app, "order-created");
        shop.DeliverAll();
        shop.Replay(2);
        shop.CloseAll();
        Assert.Equal(fails ? OrderStatus.Failed : OrderStatus.Confirmed, shop[order].Status);
        Assert.Equal(fails ? new Level(Available: 10) : new Level(Available: 8, Consumed: 2), shop.Pieces("a"));
        Assert.Equal(fails ? new Level(Available: 1) : new Level(Consumed: 1), shop.CouponUses);
    }

    [Fact, Trait("Hazard", "H3")]
    public void A_duplicate_gets_the_same_answer()
    {
        shop.Place(ScriptedShop.OrderOf());
        shop.Deliver("payments", "order-created");
        shop.Lose("orders", "payment-completed");
        shop.DeliverAgain("payments", "order-created");
        var answers = shop.Published.Where(e => e.Topic == "payment-completed").Select(e => e.Message).ToArray();
        Assert.Equal(2, answers.Length);
        Assert.Equal(answers[0], answers[1]);
        shop.CloseAll();
    }

    [Theory, InlineData(false), InlineData(true), Trait("Hazard", "H19")]
    public void A_redriven_event_of_a_closed_order_changes_nothing(bool fails)
    {
        if (fails) shop.Short("a", 0);
        var order = shop.Place(ScriptedShop.OrderOf());
        shop.CloseAll();
        var before = (shop[order], shop.Pieces("a"), shop.Won, shop.CouponUses);
        shop.Pass(Retention.OfFinished - TimeSpan.FromDays(1));
        foreach (var app in (string[])["orders", "stock", "payments", "coupons"]) shop.Kill(app);
        shop.Replay(1);
        shop.CloseAll();
        Assert.Equal(before, (shop[order], shop.Pieces("a"), shop.Won, shop.CouponUses));
    }

    [Theory, Trait("Hazard", "H20")]
    [InlineData("""{"orderId":"o","paymentId":"p","amount":"1","addedLater":{"x":1}}""", true)]
    [InlineData("""{"orderId":"o","amount":"a lot"}""", false)]
    [InlineData("""{"orderId":""", false)]
    [InlineData("", false)]
    public void Unknown_fields_are_ignored_and_other_payloads_are_rejected(string json, bool readable)
    {
        var read = Record.Exception(() => OutgoingEvent.FromJson<PaymentCompletedEvent>(ByteString.CopyFromUtf8(json)));
        if (readable) Assert.Null(read);
        else Assert.IsType<UnreadableEventException>(read);
    }

    [Fact, Trait("Hazard", "H24")]
    public void An_idempotency_key_places_one_order()
    {
        var order = ScriptedShop.OrderOf();
        shop.Together([.. Enumerable.Range(0, 5).Select(_ => shop.Placing(order))]);
        shop.DeliverTogether();
        shop.Place(order);
        shop.CloseAll();
        Assert.Equal(OrderStatus.Confirmed, shop[order.Id].Status);
        Assert.Equal(new Level(Available: 8, Consumed: 2), shop.Pieces("a"));
        Assert.Equal(new Level(Available: 8_500, Consumed: 1_500), shop.Won);
    }

    [Fact, Trait("Hazard", "H11")]
    public void An_order_without_a_coupon_is_confirmed_while_Coupons_is_down()
    {
        var order = shop.Place(ScriptedShop.OrderOf(coupon: null));
        foreach (var app in (string[])["stock", "payments"]) shop.Deliver(app, "order-created");
        foreach (var answer in (string[])["payment-completed", "stock-reserved"]) shop.Deliver("orders", answer);
        Assert.Equal(OrderStatus.Confirmed, shop[order].Status);
        var confirmed = shop[order];
        shop.Deliver("coupons", "order-created");
        shop.Deliver("orders", "coupon-used");
        shop.CloseAll();
        Assert.Same(confirmed, shop[order]);
        Assert.Single(shop.Published, e => e.Message is OrderConfirmedEvent);
    }

    [Theory, InlineData(false), InlineData(true), Trait("Hazard", "H11")]
    public void Coupons_stores_nothing_for_an_order_without_a_coupon(bool fails)
    {
        if (fails) shop.Short("a", 0);
        var order = shop.Place(ScriptedShop.OrderOf(coupon: null));
        shop.DeliverAll();
        shop.Replay(1);
        shop.CloseAll();
        Assert.Equal(fails ? OrderStatus.Failed : OrderStatus.Confirmed, shop[order].Status);
        Assert.Equal(StepState.Done, shop[order][Orders.Step.Coupon]!.State);
        Assert.Null(shop.ReservationOf("coupons", order));
        Assert.Equal(new Level(Available: 1), shop.CouponUses);
        Assert.All(shop.Published.Select(e => e.Message).OfType<CouponRestoredEvent>(), restored => Assert.False(restored.Undone));
    }
}
