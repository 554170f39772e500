using System.Collections.Immutable;

namespace Saga;

/// <summary>A participant's word on an order. It is given once; after that only Held changes, to GivenBack or Settled.</summary>
public enum ReservationStatus
{
    /// <summary>Taken for the order.</summary>
    Reserved,
    /// <summary>Not taken, and never will be, however often asked.</summary>
    Rejected,
    /// <summary>The order failed: given back, or never taken.</summary>
    Released,
    /// <summary>The order is confirmed: gone for good.</summary>
    Settled,
}

/// <summary>What an order takes from one shared document.</summary>
/// <param name="ResourceId">The document's id: a product, an account, a coupon.</param>
/// <param name="Amount">Pieces, won, or one use.</param>
public sealed record ReservationLine(string ResourceId, long Amount);

/// <summary>One participant's record of one order: the only answer it gives about it.</summary>
/// <param name="Lines">In the order of their ids, which is the order in which they are taken.</param>
/// <param name="WasReserved">False: nothing was ever taken under this record.</param>
/// <param name="FailureReason">Why it was refused. Null unless refused.</param>
/// <param name="Changed">When it last changed.</param>
/// <param name="TraceId">The trace in which it was made, 32 hex digits. Null: no trace.</param>
public sealed record Reservation(
    string OrderId, ReservationStatus Status, bool WasReserved, ImmutableArray<ReservationLine> Lines, FailureReason? FailureReason, DateTimeOffset Changed, string? TraceId = null)
{
    public static string KeyOf(string orderId) => $"claim:{orderId}";

    /// <exception cref="CorruptDocumentException">It breaks its own invariants: it could be neither given back nor settled.</exception>
    public void MustBeSound(string orderId)
    {
        var problem = OrderId != orderId ? $"it is of order '{OrderId}'"
            : Lines.IsDefaultOrEmpty ? "it has no lines"
            : Lines.Any(line => line is null || string.IsNullOrEmpty(line.ResourceId) || line.Amount < 0) ? "a line lacks its id or has a negative amount"
            : !Enum.IsDefined(Status) ? $"its status {Status} is unknown"
            : null;
        if (problem is not null) throw new CorruptDocumentException($"{KeyOf(orderId)} is corrupt: {problem}.");
    }

    /// <summary>True when a shared document with this mark needs to remember the order no longer.</summary>
    public bool IsConsistentWith(ReservationMark mark) => (mark, Status) switch
    {
        (ReservationMark.Reserved, ReservationStatus.Reserved) => true,
        (ReservationMark.Released, ReservationStatus.Released or ReservationStatus.Rejected) => true,
        (ReservationMark.Settled, ReservationStatus.Settled) => true,
        (ReservationMark.Reserved or ReservationMark.Released or ReservationMark.Settled, ReservationStatus.Reserved or ReservationStatus.Rejected or ReservationStatus.Released or ReservationStatus.Settled) => false,
    };
}

/// <summary>Why something is not done.</summary>
/// <param name="Reason">UPPER_SNAKE_CASE, for programs.</param>
/// <param name="Detail">A sentence, for people.</param>
public sealed record FailureReason(string Reason, string Detail)
{
    /// <summary>The answer to an order-created that came after its order-failed: nothing was done, and nothing ever will be.</summary>
    public static readonly FailureReason OrderAlreadyFailed = new("ORDER_ALREADY_FAILED", "The order had failed before this part of it was done.");
}
