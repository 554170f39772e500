using System.Collections.Immutable;
using Google.Protobuf;
using Shop.V1;

namespace Payments;

/// <summary>The decisions of Payments. Pure.</summary>
internal static class PaymentDecisions
{
    public static string ToPaymentId(string orderId) => $"pay-{orderId}";

    public static ImmutableArray<ReservationLine> ToLines(string userId, long finalAmount) => [new(userId, finalAmount)];

    public static FailureReason? Reject(Account? account, ReservationLine line) => account switch
    {
        null => new("ACCOUNT_NOT_FOUND", $"User '{line.ResourceId}' has no account."),
        { Holdings.Available: var balance } when balance < line.Amount =>
            new("BALANCE_TOO_LOW", $"{line.Amount:N0} won were to be charged and user '{line.ResourceId}' has {balance:N0}."),
        _ => null,
    };

    /// <summary>The answer to order-created, the same for every redelivery.</summary>
    public static IMessage Answer(Reservation reservation) => reservation.WasReserved
        ? new PaymentCompletedEvent { OrderId = reservation.OrderId, PaymentId = ToPaymentId(reservation.OrderId), Amount = reservation.Lines[0].Amount }
        : new PaymentFailedEvent
        {
            OrderId = reservation.OrderId,
            Reason = reservation.Failure.Reason,
            Detail = reservation.Failure.Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    public static PaymentRefundedEvent ToCompensatedEvent(Reservation reservation) => new() { OrderId = reservation.OrderId, Undone = reservation.WasReserved };
}
