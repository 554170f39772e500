using Shop.V1;

namespace Coupons;

/// <summary>Handles the events of an order for Coupons. An order without a coupon succeeds and stores nothing.</summary>
internal sealed class CouponHandlers(Participant<Coupon> participant, ISidecar sidecar, OrderOutcomeQuery getOutcome, TimeProvider clock, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Coupons");

    public async Task UseAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        if (!order.HasUserCouponId)
        {
            await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.AnswerWithoutCoupon(order.OrderId)), ct);
            return;
        }
        CouponLog.Using(log, order.UserCouponId, order.OrderId);
        var reservation = await participant.ReserveAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId),
            (coupon, line) => CouponDecisions.Refuse(coupon, line, order.UserId, clock.GetUtcNow()), ct);
        if (reservation.WasReserved) CouponLog.Used(log, order.UserCouponId, order.OrderId);
        else CouponLog.NotUsed(log, order.UserCouponId, order.OrderId, reservation.Failure.Detail);
        await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.Answer(reservation)), ct);
    }

    /// <summary>The order-created has become a dead letter.</summary>
    public Task AbandonAsync(OrderCreatedEvent order, CancellationToken ct) => order.HasUserCouponId
        ? participant.AbandonAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId), getOutcome, ct)
        : Task.CompletedTask;

    public async Task RestoreAsync(OrderFailedEvent order, CancellationToken ct)
    {
        Reservation? reservation = null;
        if (order.HasUserCouponId)
        {
            CouponLog.Restoring(log, order.UserCouponId, order.OrderId, order.Reason);
            reservation = await participant.ReleaseAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId), ct);
            CouponLog.Restored(log, order.UserCouponId, order.OrderId, reservation.WasReserved);
        }
        await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.ToCompensatedEvent(order.OrderId, reservation)), ct);
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken ct)
    {
        if (!order.HasUserCouponId) return;
        await participant.SettleAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId), ct);
        CouponLog.Consumed(log, order.OrderId);
    }
}
