using System.Collections.Immutable;

namespace Saga;

/// <summary>A participant's word on an order. It is given once; after that only Held changes, to GivenBack or Settled.</summary>
public enum ClaimStatus
{
    /// <summary>Taken for the order.</summary>
    Held,
    /// <summary>Not taken, and never will be, however often asked.</summary>
    Refused,
    /// <summary>The order failed: given back, or never taken.</summary>
    GivenBack,
    /// <summary>The order is confirmed: gone for good.</summary>
    Settled,
}

/// <summary>What an order takes from one shared document.</summary>
/// <param name="Of">The document's id: a product, an account, a coupon.</param>
/// <param name="Amount">Pieces, won, or one use.</param>
public sealed record ClaimLine(string Of, long Amount);

/// <summary>One participant's record of one order: the only answer it gives about it.</summary>
/// <param name="Lines">In the order of their ids, which is the order in which they are taken.</param>
/// <param name="EverHeld">False: nothing was ever taken under this record.</param>
/// <param name="Refusal">Why it was refused. Null unless refused.</param>
/// <param name="Changed">When it last changed.</param>
/// <param name="TraceId">The trace in which it was made, 32 hex digits. Null: no trace.</param>
public sealed record Claim(
    string OrderId, ClaimStatus Status, bool EverHeld, ImmutableArray<ClaimLine> Lines, Refusal? Refusal, DateTimeOffset Changed, string? TraceId = null)
{
    public static string KeyOf(string orderId) => $"claim:{orderId}";

    /// <exception cref="CorruptDocumentException">It breaks its own invariants: it could be neither given back nor settled.</exception>
    public void MustBeSound(string orderId)
    {
        var problem = OrderId != orderId ? $"it is of order '{OrderId}'"
            : Lines.IsDefaultOrEmpty ? "it has no lines"
            : Lines.Any(line => line is null || string.IsNullOrEmpty(line.Of) || line.Amount < 0) ? "a line lacks its id or has a negative amount"
            : !Enum.IsDefined(Status) ? $"its status {Status} is unknown"
            : null;
        if (problem is not null) throw new CorruptDocumentException($"{KeyOf(orderId)} is corrupt: {problem}.");
    }

    /// <summary>True when a shared document with this mark needs to remember the order no longer.</summary>
    public bool Agrees(Mark mark) => (mark, Status) switch
    {
        (Mark.Held, ClaimStatus.Held) => true,
        (Mark.Returned, ClaimStatus.GivenBack or ClaimStatus.Refused) => true,
        (Mark.Settled, ClaimStatus.Settled) => true,
        (Mark.Held or Mark.Returned or Mark.Settled, ClaimStatus.Held or ClaimStatus.Refused or ClaimStatus.GivenBack or ClaimStatus.Settled) => false,
    };
}

/// <summary>Why something is not done.</summary>
/// <param name="Reason">UPPER_SNAKE_CASE, for programs.</param>
/// <param name="Detail">A sentence, for people.</param>
public sealed record Refusal(string Reason, string Detail)
{
    /// <summary>The answer to an order-created that came after its order-failed: nothing was done, and nothing ever will be.</summary>
    public static readonly Refusal OrderAlreadyFailed = new("ORDER_ALREADY_FAILED", "The order had failed before this part of it was done.");
}
