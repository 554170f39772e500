using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Saga.Commands;
using Saga.Dapr;

namespace Saga.Reservations;

/// <summary>A participant's answer to an order. Only Reserved changes afterwards, to Released or Settled.</summary>
public enum ReservationStatus
{
    /// <summary>Held for the order.</summary>
    Reserved,
    /// <summary>Not reserved, and a redelivery gets the same answer.</summary>
    Rejected,
    /// <summary>The order failed: released, or never reserved (a tombstone).</summary>
    Released,
    /// <summary>The order is confirmed: consumed for good.</summary>
    Settled,
}

/// <summary>What an order reserves from one shared document.</summary>
/// <param name="ResourceId">The document's id: a product, a user's account, a coupon.</param>
/// <param name="Amount">Pieces, won, or one use.</param>
public sealed record ReservationLine(string ResourceId, long Amount);

/// <summary>One participant's record of one order, and the only answer it ever gives: a TCC branch.</summary>
/// <param name="Lines">Sorted by id, which is the order in which they are reserved.</param>
/// <param name="WasReserved">False: nothing was ever held under this record. Released and not reserved is a tombstone: order-failed came first.</param>
/// <param name="RejectionReason">Why it was rejected. Null unless it was.</param>
/// <param name="Changed">When it last changed.</param>
/// <param name="TraceId">The trace in which it was made, 32 hex digits. Null: it was not traced.</param>
public sealed record Reservation(
    string OrderId, ReservationStatus Status, bool WasReserved, ImmutableArray<ReservationLine> Lines,
    FailureReason? RejectionReason, DateTimeOffset Changed, string? TraceId = null)
{
    /// <summary>Why nothing is reserved, for an answer to order-created.</summary>
    [JsonIgnore]
    public FailureReason Failure => RejectionReason ?? FailureReason.OrderAlreadyFailed;

    public static string KeyOf(string orderId) => $"reservation:{orderId}";

    /// <exception cref="CorruptDocumentException">It breaks its own invariants and could be neither released nor settled.</exception>
    public void MustBeValid(string orderId)
    {
        var problem = OrderId != orderId ? $"it is of order '{OrderId}'"
            : Lines.IsDefaultOrEmpty ? "it has no lines"
            : Lines.Any(line => line is null || string.IsNullOrEmpty(line.ResourceId) || line.Amount < 0) ? "a line lacks its id or has a negative amount"
            : !Enum.IsDefined(Status) ? $"its status {Status} is unknown"
            : null;
        if (problem is not null) throw new CorruptDocumentException($"{KeyOf(orderId)} is corrupt: {problem}.");
    }

    /// <summary>True: a shared document no longer needs this mark, since the reservation says the same.</summary>
    public bool IsConsistentWith(ReservationMark mark) => mark switch
    {
        ReservationMark.Reserved => Status == ReservationStatus.Reserved,
        ReservationMark.Released => Status is ReservationStatus.Released or ReservationStatus.Rejected,
        ReservationMark.Settled => Status == ReservationStatus.Settled,
    };
}
