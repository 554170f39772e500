using System.Collections.Immutable;
using Google.Protobuf;
using Saga;
using Shop.V1;

namespace Payments;

/// <summary>What Payments decides and says. Pure.</summary>
internal static class PaymentDecisions
{
    public static string PaymentIdOf(string orderId) => $"pay-{orderId}";

    public static ImmutableArray<ClaimLine> LinesOf(string userId, long finalAmount) => [new(userId, finalAmount)];

    public static Refusal? Refuse(Account? account, ClaimLine line) => account switch
    {
        null => new("ACCOUNT_NOT_FOUND", $"User '{line.Of}' has no account."),
        { Holdings.Available: var balance } when balance < line.Amount =>
            new("BALANCE_TOO_LOW", $"{line.Amount:N0} won were to be charged and user '{line.Of}' has {balance:N0}."),
        _ => null,
    };

    /// <summary>The answer to order-created: the same for ever once the claim is made.</summary>
    public static IMessage Answer(Claim claim) => claim.EverHeld
        ? new PaymentCompletedEvent { OrderId = claim.OrderId, PaymentId = PaymentIdOf(claim.OrderId), Amount = claim.Lines[0].Amount }
        : new PaymentFailedEvent
        {
            OrderId = claim.OrderId,
            Reason = (claim.Refusal ?? Refusal.OrderAlreadyFailed).Reason,
            Detail = (claim.Refusal ?? Refusal.OrderAlreadyFailed).Detail,
        };

    /// <summary>The answer to order-failed.</summary>
    public static PaymentRefundedEvent AnswerToFailure(Claim claim) => new() { OrderId = claim.OrderId, Undone = claim.EverHeld };
}
