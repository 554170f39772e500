namespace Saga.Commands;

/// <summary>Why a step failed.</summary>
/// <param name="Reason">UPPER_SNAKE_CASE, for programs.</param>
/// <param name="Detail">A sentence, for people.</param>
public sealed record FailureReason(string Reason, string Detail)
{
    /// <summary>The answer to an order-created that arrived after its order-failed: nothing was reserved, and nothing will be.</summary>
    public static readonly FailureReason OrderAlreadyFailed = new("ORDER_ALREADY_FAILED", "The order had failed before this part of it was done.");
}
