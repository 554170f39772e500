namespace Coupons;

/// <summary>The log events of Coupons. Ids 400 to 499.</summary>
internal static partial class CouponLog
{
    [LoggerMessage(400, LogLevel.Information, "Coupon {UserCouponId} is being used for order {OrderId}.", EventName = "Using")]
    public static partial void Using(ILogger log, string userCouponId, string orderId);

    [LoggerMessage(401, LogLevel.Information, "Coupon {UserCouponId} is used for order {OrderId}.", EventName = "Used")]
    public static partial void Used(ILogger log, string userCouponId, string orderId);

    [LoggerMessage(402, LogLevel.Information, "Coupon {UserCouponId} is not used for order {OrderId}: {Detail}", EventName = "NotUsed")]
    public static partial void NotUsed(ILogger log, string userCouponId, string orderId, string detail);

    [LoggerMessage(403, LogLevel.Information, "Restoring coupon {UserCouponId} of order {OrderId}, which failed: {Reason}.", EventName = "Restoring")]
    public static partial void Restoring(ILogger log, string userCouponId, string orderId, string reason);

    [LoggerMessage(404, LogLevel.Information, "Coupon {UserCouponId} is restored from order {OrderId} (it was held: {Undone}).", EventName = "Restored")]
    public static partial void Restored(ILogger log, string userCouponId, string orderId, bool undone);

    [LoggerMessage(405, LogLevel.Information, "The coupon of order {OrderId} is consumed.", EventName = "Consumed")]
    public static partial void Consumed(ILogger log, string orderId);
}
