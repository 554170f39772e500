using Saga;
using Shop.V1;

namespace Coupons;

/// <summary>What Coupons does on each event. An order without a coupon passes, and leaves nothing behind.</summary>
internal sealed class CouponHandlers(Participant<Coupon> participant, ISidecar sidecar, TimeProvider clock, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Coupons");

    public async Task UseAsync(OrderCreatedEvent order, CancellationToken stop)
    {
        if (!order.HasUserCouponId)
        {
            await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.AnswerWithoutCoupon(order.OrderId)), stop);
            return;
        }
        CouponLog.Using(log, order.UserCouponId, order.OrderId);
        var claim = await participant.TakeAsync(order.OrderId, CouponDecisions.LinesOf(order.UserCouponId),
            (coupon, line) => CouponDecisions.Refuse(coupon, line, order.UserId, clock.GetUtcNow()), stop);
        if (claim.EverHeld) CouponLog.Used(log, order.UserCouponId, order.OrderId);
        else CouponLog.NotUsed(log, order.UserCouponId, order.OrderId, (claim.Refusal ?? Refusal.OrderAlreadyFailed).Detail);
        await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.Answer(claim)), stop);
    }

    public async Task RestoreAsync(OrderFailedEvent order, CancellationToken stop)
    {
        Claim? claim = null;
        if (order.HasUserCouponId)
        {
            CouponLog.Restoring(log, order.UserCouponId, order.OrderId, order.Reason);
            claim = await participant.GiveBackAsync(order.OrderId, CouponDecisions.LinesOf(order.UserCouponId), stop);
            CouponLog.Restored(log, order.UserCouponId, order.OrderId, claim.EverHeld);
        }
        await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.AnswerToFailure(order.OrderId, claim)), stop);
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken stop)
    {
        if (!order.HasUserCouponId) return;
        await participant.SettleAsync(order.OrderId, stop);
        CouponLog.Gone(log, order.OrderId);
    }
}
