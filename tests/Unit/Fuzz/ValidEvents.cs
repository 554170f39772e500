using Google.Protobuf;
using Shop.V1;

namespace Saga.Tests.Fuzz;

/// <summary>Valid events of every topic.</summary>
internal static class ValidEvents
{
    /// <summary>One event of each topic about an order, with some of its optional fields.</summary>
    /// <param name="couponId">Null: the order has no coupon.</param>
    public static IReadOnlyList<IMessage> Of(string orderId, string userId, string? couponId, Random random)
    {
        OrderLine[] items = [.. new[] { "a", "b", "c" }.Where(_ => random.Next(2) == 0).DefaultIfEmpty("a")
            .Select(id => new OrderLine { ProductId = id, Quantity = random.Next(1, 5), UnitPrice = random.Next(0, 2_000) })];
        var total = items.Sum(item => item.Quantity * item.UnitPrice);
        var discount = couponId is null ? 0 : random.NextInt64(total + 1);
        var created = new OrderCreatedEvent
        {
            OrderId = orderId, UserId = userId, Items = { items }, TotalAmount = total, DiscountAmount = discount, FinalAmount = total - discount,
        };
        var confirmed = new OrderConfirmedEvent
        {
            OrderId = orderId, UserId = userId, Items = { items.Select(item => item.Clone()) }, TotalAmount = total, DiscountAmount = discount,
            FinalAmount = total - discount,
        };
        for (var step = Shop.V1.Step.Stock; step <= Shop.V1.Step.Coupon; step++) confirmed.Steps.Add(new StepStatus { Step = step, AfterMs = random.Next(60_000) });
        var failed = new OrderFailedEvent
        {
            OrderId = orderId, UserId = userId, Items = { items.Select(item => item.Clone()) }, TotalAmount = total, DiscountAmount = discount,
            FinalAmount = total - discount, Reason = "OUT_OF_STOCK", Detail = "There is none.", CompletedSteps = { Shop.V1.Step.Payment },
        };
        var used = new CouponUsedEvent { OrderId = orderId };
        if (couponId is not null) created.UserCouponId = confirmed.UserCouponId = failed.UserCouponId = used.UserCouponId = couponId;
        return
        [
            created, confirmed, failed, used,
            new StockReservedEvent { OrderId = orderId, ReservationId = $"rsv-{orderId}" },
            new StockReservationFailedEvent { OrderId = orderId, Reason = "OUT_OF_STOCK", Detail = "There is none." },
            new PaymentCompletedEvent { OrderId = orderId, PaymentId = $"pay-{orderId}", Amount = total - discount },
            new PaymentFailedEvent { OrderId = orderId, Reason = "BALANCE_TOO_LOW", Detail = "Too little." },
            new CouponUsageFailedEvent { OrderId = orderId, Reason = "COUPON_EXPIRED", Detail = "Too late." },
            new StockReleasedEvent { OrderId = orderId, Undone = random.Next(2) == 0 },
            new PaymentRefundedEvent { OrderId = orderId, Undone = random.Next(2) == 0 },
            new CouponRestoredEvent { OrderId = orderId, Undone = random.Next(2) == 0 },
        ];
    }
}
