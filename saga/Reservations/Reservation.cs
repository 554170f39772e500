using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Saga.Commands;
using Saga.Dapr;
using Saga.State;
using Saga.Telemetry;
using Shop.V1;

namespace Saga.Reservations;

/// <summary>How far the reservation of an order is. Only Reserved changes afterwards, to Released or Settled.</summary>
public enum ReservationStatus
{
    /// <summary>Held for the order: all its lines are marked in the shared documents. Never archived.</summary>
    Reserved,
    /// <summary>Not reserved, and a redelivery gets the same answer.</summary>
    Rejected,
    /// <summary>The order failed: released, or never reserved (a tombstone).</summary>
    Released,
    /// <summary>The order is confirmed: consumed for good.</summary>
    Settled,
}

/// <summary>What an order reserves from one shared document.</summary>
/// <param name="ResourceId">The document's id, as <see cref="RequestCheck.IsId"/> says: a product, a user's account, a coupon. Once per order.</param>
/// <param name="Amount">Pieces, won, or one use. Not negative.</param>
public sealed record ReservationLine(string ResourceId, long Amount);

/// <summary>
/// What a participant has decided for an order, as it answers it. A final one is archived under <see cref="KeyOf"/>; before that the marks of the
/// shared documents say the same.
/// </summary>
/// <param name="Lines">Sorted by id, which is the order in which they are reserved.</param>
/// <param name="WasReserved">False: the order never held all its lines. Released and not reserved is a tombstone: order-failed came first.</param>
/// <param name="RejectionReason">Why it was rejected. Null unless it was.</param>
/// <param name="Changed">When it last changed.</param>
/// <param name="TraceId">The trace in which it was made, 32 hex digits. Null: it was not traced.</param>
public sealed record Reservation(
    string OrderId, ReservationStatus Status, bool WasReserved, ImmutableArray<ReservationLine> Lines,
    FailureReason? RejectionReason, DateTimeOffset Changed, string? TraceId = null) : IHasInvariants
{
    /// <summary>An answer that is not archived: nothing is reserved, and the next delivery may reserve.</summary>
    internal static Reservation ToRejection(string orderId, ImmutableArray<ReservationLine> lines, FailureReason reason, DateTimeOffset now) =>
        new(orderId, ReservationStatus.Rejected, WasReserved: false, lines, reason, now, SagaTracing.TraceId);

    /// <summary>Why nothing is reserved, for an answer to order-created.</summary>
    [JsonIgnore]
    public FailureReason Failure => RejectionReason ?? FailureReason.OrderAlreadyFailed;

    /// <summary>The answer to a call of Orders that tries to reserve.</summary>
    /// <param name="reference">The participant's own id of what it holds.</param>
    public ReserveResponse ToResponse(string reference) => WasReserved
        ? new() { Reference = reference }
        : new() { Rejection = new() { Reason = Failure.Reason, Detail = Failure.Detail } };

    /// <summary>True: a line is of this shared document.</summary>
    internal bool Covers(string resourceId) => Lines.Any(line => line.ResourceId == resourceId);

    private const int IdShownMax = 64;

    internal static string KeyOf(string orderId) => $"reservation:{orderId}";

    public string? FindProblem(string key) =>
        key != KeyOf(OrderId) ? $"it is of order '{OrderId}'"
        : FindProblem(Lines) is { } problem ? problem
        : !DocumentId.IsTrace(TraceId) ? $"'{TraceId}' in it is no trace"
        : !Enum.IsDefined(Status) ? $"its status {Status} is unknown"
        : Status == ReservationStatus.Reserved ? "it is still reserved, as only versions before 2 stored it (docs/upgrading.md)"
        : null;

    /// <returns>What is wrong, as the rest of a sentence. Null: nothing.</returns>
    internal static string? FindProblem(ImmutableArray<ReservationLine> lines)
    {
        if (lines.IsDefaultOrEmpty) return "it has no lines";
        HashSet<string> ids = [];
        foreach (var line in lines)
        {
            if (!DocumentId.IsValid(line?.ResourceId))
            {
                return $"'{Shortened.To(IdShownMax, line?.ResourceId ?? "")}' in a line is no id: 1 to 64 characters of A-Z a-z 0-9 - _ . : @";
            }
            if (line!.Amount < 0) return $"'{line.ResourceId}' has the negative amount {line.Amount}";
            if (!ids.Add(line.ResourceId)) return $"'{line.ResourceId}' is in two lines, instead of in one with their sum";
        }
        return null;
    }
}
