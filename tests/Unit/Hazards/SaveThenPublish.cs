using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests.Hazards;

/// <summary>Saving and publishing are two operations: after a crash between them the redelivery publishes.</summary>
public sealed class SaveThenPublish
{
    private readonly ScriptedShop shop = new();

    /// <summary>
    /// Every publish of the saga: the service that rejects its step (empty: none), the publisher, the event that it consumes (empty: a client places
    /// the order), the published topic, and the status of the order or reservation that is saved by then.
    /// </summary>
    public static TheoryData<string, string, string, string, string> Words { get; } = new()
    {
        { "", "orders", "", "order-created", "Pending" },
        { "", "stock", "order-created", "stock-reserved", "Reserved" },
        { "", "payments", "order-created", "payment-completed", "Reserved" },
        { "", "coupons", "order-created", "coupon-used", "Reserved" },
        { "stock", "stock", "order-created", "stock-reservation-failed", "Rejected" },
        { "payments", "payments", "order-created", "payment-failed", "Rejected" },
        { "", "orders", "coupon-used", "order-confirmed", "Confirmed" },
        { "stock", "orders", "stock-reservation-failed", "order-failed", "Failed" },
        { "payments", "stock", "order-failed", "stock-released", "Released" },
        { "stock", "payments", "order-failed", "payment-refunded", "Released" },
        { "stock", "coupons", "order-failed", "coupon-restored", "Released" },
    };

    [Theory, MemberData(nameof(Words)), Trait("Hazard", "B4")]
    public void A_crash_before_publishing_is_cured_by_the_redelivery(
        string refuses, string app, string topic, string published, string saved)
    {
        Die(refuses, app, topic, published, afterwards: false);
        Assert.DoesNotContain(shop.Published, e => e.Topic == published);
        EndsRightly(refuses, app, published, saved);
    }

    [Theory, MemberData(nameof(Words)), Trait("Hazard", "B4")]
    public void Whatever_is_published_was_saved_before(string refuses, string app, string topic, string published, string saved)
    {
        Die(refuses, app, topic, published, afterwards: true);
        Assert.Single(shop.Published, e => e.Topic == published);
        EndsRightly(refuses, app, published, saved);
    }

    private void Die(string refuses, string app, string topic, string published, bool afterwards)
    {
        if (refuses == "stock") shop.Short("a", 0);
        if (refuses == "payments") shop.Poor(0);
        if (topic.Length > 0)
        {
            shop.Place(ScriptedShop.OrderOf());
            shop.DeliverUntil(app, topic);
        }
        shop.DeathAhead(published, afterwards);
        if (topic.Length > 0) shop.Deliver(app, topic);
        else shop.Place(ScriptedShop.OrderOf());
        Assert.True(shop.TroubleCame);
    }

    private void EndsRightly(string refuses, string app, string published, string saved)
    {
        var order = ScriptedShop.OrderOf().Id;
        Assert.Equal(saved, app == "orders" ? $"{shop[order].Status}" : $"{shop.ReservationOf(app, order)?.Status ?? (shop.Holds(app, order) ? ReservationStatus.Reserved : null)}");
        shop.CloseAll();
        Assert.Contains(shop.Published, e => e.Topic == published);
        Assert.Equal(refuses == "" ? OrderStatus.Confirmed : OrderStatus.Failed, shop[order].Status);
    }
}
