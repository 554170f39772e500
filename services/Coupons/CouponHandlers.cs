using Shop.V1;

namespace Coupons;

/// <summary>
/// Handles the events of an order for Coupons, and the calls of an orchestrated one. An order without a coupon succeeds and stores nothing.
/// </summary>
internal sealed class CouponHandlers(Participant<Coupon> participant, ISidecar sidecar, OrderOutcomeQuery getOutcome, TimeProvider clock, ILoggerFactory logs)
    : IOrderStep
{
    private readonly ILogger log = logs.CreateLogger("Coupons");

    public async Task UseAsync(OrderCreatedEvent order, CancellationToken ct) => await sidecar.PublishAsync(new(order.OrderId, order.HasUserCouponId
        ? CouponDecisions.Answer(await ReserveLinesAsync(order, ct))
        : CouponDecisions.AnswerWithoutCoupon(order.OrderId)), ct);

    public async Task<ReserveResponse> TryAsync(OrderCreatedEvent order, CancellationToken ct) =>
        order.HasUserCouponId ? (await ReserveLinesAsync(order, ct)).ToResponse(order.UserCouponId) : new();

    private async Task<Reservation> ReserveLinesAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        CouponLog.Using(log, order.UserCouponId, order.OrderId);
        var reservation = await participant.ReserveAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId),
            (coupon, line) => CouponDecisions.Reject(coupon, line, order.UserId, clock.GetUtcNow()), ct);
        if (reservation.WasReserved) CouponLog.Used(log, order.UserCouponId, order.OrderId);
        else CouponLog.NotUsed(log, order.UserCouponId, order.OrderId, reservation.Failure.Detail);
        return reservation;
    }

    /// <summary>The order-created has become a dead letter.</summary>
    public Task RecoverDeadLetteredAsync(OrderCreatedEvent order, CancellationToken ct) => order.HasUserCouponId
        ? participant.RecoverDeadLetteredAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId), getOutcome, ct)
        : Task.CompletedTask;

    public async Task RestoreAsync(OrderFailedEvent order, CancellationToken ct) =>
        await sidecar.PublishAsync(new(order.OrderId, CouponDecisions.ToCompensatedEvent(order.OrderId, await ReleaseLinesAsync(order, ct))), ct);

    public async Task<ReleaseResponse> CancelAsync(OrderFailedEvent order, CancellationToken ct) =>
        new() { Undone = (await ReleaseLinesAsync(order, ct))?.WasReserved ?? false };

    /// <returns>Null: the order has no coupon.</returns>
    private async Task<Reservation?> ReleaseLinesAsync(OrderFailedEvent order, CancellationToken ct)
    {
        if (!order.HasUserCouponId) return null;
        CouponLog.Restoring(log, order.UserCouponId, order.OrderId, order.Reason);
        var reservation = await participant.ReleaseAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId), ct);
        CouponLog.Restored(log, order.UserCouponId, order.OrderId, reservation.WasReserved);
        return reservation;
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken ct)
    {
        if (!order.HasUserCouponId) return;
        await participant.SettleAsync(order.OrderId, CouponDecisions.ToLines(order.UserCouponId), ct);
        CouponLog.Consumed(log, order.OrderId);
    }
}
