using System.Collections.Immutable;
using Google.Protobuf;
using Saga;
using Shop.V1;

namespace Coupons;

/// <summary>What Coupons decides and says. Pure.</summary>
internal static class CouponDecisions
{
    public static ImmutableArray<ClaimLine> LinesOf(string userCouponId) => [new(userCouponId, 1)];

    /// <param name="now">A coupon is valid up to and including its last moment.</param>
    public static Refusal? Refuse(Coupon? coupon, ClaimLine line, string userId, DateTimeOffset now) => coupon switch
    {
        null => new("COUPON_NOT_FOUND", $"There is no coupon '{line.Of}'."),
        _ when coupon.UserId != userId => new("COUPON_OF_ANOTHER_USER", $"Coupon '{line.Of}' was not issued to user '{userId}'."),
        { ValidUntil: var last } when last < now => new("COUPON_EXPIRED", $"Coupon '{line.Of}' was valid until {last:u}."),
        { Holdings.Available: 0 } => new("COUPON_ALREADY_USED", $"Coupon '{line.Of}' is used, or taken by another order."),
        _ => null,
    };

    /// <summary>The answer to order-created of an order without a coupon: there is nothing to use, nor to remember.</summary>
    public static CouponUsedEvent AnswerWithoutCoupon(string orderId) => new() { OrderId = orderId };

    /// <summary>The answer to order-created: the same for ever once the claim is made.</summary>
    public static IMessage Answer(Claim claim) => claim.EverHeld
        ? new CouponUsedEvent { OrderId = claim.OrderId, UserCouponId = claim.Lines[0].Of }
        : new CouponUsageFailedEvent
        {
            OrderId = claim.OrderId,
            Reason = (claim.Refusal ?? Refusal.OrderAlreadyFailed).Reason,
            Detail = (claim.Refusal ?? Refusal.OrderAlreadyFailed).Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    /// <param name="claim">Null: the order has no coupon.</param>
    public static CouponRestoredEvent AnswerToFailure(string orderId, Claim? claim) => new() { OrderId = orderId, Undone = claim?.EverHeld ?? false };
}
