using Shop.V1;

namespace Shop.Audits;

/// <summary>What one order takes from one product or one account.</summary>
/// <remarks>
/// A participant writes the shared document and its record of the order one after the other: when it reserves or settles, the document first;
/// when it releases, in either order. Between the two writes they differ by this share.
/// </remarks>
/// <param name="HolderId">The product id or the user id.</param>
/// <param name="Amount">Pieces, or won.</param>
/// <param name="Changed">Time of the last change of the record, UTC. Null: there is no record.</param>
internal sealed record Share(Order Order, string HolderId, long Amount, ShareState State, DateTime? Changed)
{
    /// <summary>The order is confirmed and the record is not settled yet; the document may be.</summary>
    public bool IsSettling => State == ShareState.Reserved && Order.Status == OrderStatus.Confirmed;

    public static IEnumerable<Share> ToProductShares(OrderRecords records)
    {
        var state = records.Reservation?.Status switch
        {
            ReservationStatus.Reserved => ShareState.Reserved,
            ReservationStatus.Rejected => ShareState.Rejected,
            ReservationStatus.Released => ShareState.Released,
            ReservationStatus.Settled => ShareState.Settled,
            null or ReservationStatus.Unspecified or _ => ShareState.Absent,
        };
        return records.Order.Items.Select(item => new Share(records.Order, item.ProductId, item.Quantity, state, records.Reservation?.UpdateTime.ToDateTime()));
    }

    public static IEnumerable<Share> ToAccountShares(OrderRecords records)
    {
        var state = records.Payment?.Status switch
        {
            PaymentStatus.Charged => ShareState.Reserved,
            PaymentStatus.Declined => ShareState.Rejected,
            PaymentStatus.Refunded => ShareState.Released,
            PaymentStatus.Settled => ShareState.Settled,
            null or PaymentStatus.Unspecified or _ => ShareState.Absent,
        };
        return [new(records.Order, records.Order.UserId, records.Order.FinalAmount, state, records.Payment?.UpdateTime.ToDateTime())];
    }
}
