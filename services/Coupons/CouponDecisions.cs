using System.Collections.Immutable;
using Google.Protobuf;
using Shop.V1;

namespace Coupons;

/// <summary>The decisions of Coupons. Pure.</summary>
internal static class CouponDecisions
{
    public static ImmutableArray<ReservationLine> ToLines(string userCouponId) => [new(userCouponId, 1)];

    /// <param name="now">A coupon is valid up to and including its last moment.</param>
    public static FailureReason? Reject(Coupon? coupon, ReservationLine line, string userId, DateTimeOffset now) => coupon switch
    {
        null => new("COUPON_NOT_FOUND", $"There is no coupon '{line.ResourceId}'."),
        _ when coupon.UserId != userId => new("COUPON_OF_ANOTHER_USER", $"Coupon '{line.ResourceId}' was not issued to user '{userId}'."),
        { ValidUntil: var last } when last < now => new("COUPON_EXPIRED", $"Coupon '{line.ResourceId}' was valid until {last:u}."),
        { Holdings.Available: 0 } => new("COUPON_ALREADY_USED", $"Coupon '{line.ResourceId}' is used, or held by another order."),
        _ => null,
    };

    /// <summary>The answer to order-created for an order without a coupon.</summary>
    public static CouponUsedEvent AnswerWithoutCoupon(string orderId) => new() { OrderId = orderId };

    /// <summary>The answer to order-created, the same for every redelivery.</summary>
    public static IMessage Answer(Reservation reservation) => reservation.WasReserved
        ? new CouponUsedEvent { OrderId = reservation.OrderId, UserCouponId = reservation.Lines[0].ResourceId }
        : new CouponUsageFailedEvent
        {
            OrderId = reservation.OrderId,
            Reason = reservation.Failure.Reason,
            Detail = reservation.Failure.Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    /// <param name="reservation">Null: the order has no coupon.</param>
    public static CouponRestoredEvent ToCompensatedEvent(string orderId, Reservation? reservation) =>
        new() { OrderId = orderId, Undone = reservation?.WasReserved ?? false };
}
