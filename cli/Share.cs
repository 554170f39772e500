using Shop.V1;

namespace Shop;

/// <summary>How far a participant has come with an order, as its record says.</summary>
internal enum ShareState
{
    /// <summary>It has no record.</summary>
    Absent,
    Held,
    Refused,
    GivenBack,
    Settled,
}

/// <summary>What one order takes of one product, or of one account.</summary>
/// <remarks>
/// A participant writes the shared document and its own record one after the other: it takes and settles in the document first, and gives
/// back in either order. In between, and for as long as it is dead there, the two differ by this share.
/// </remarks>
/// <param name="Of">The product or the account.</param>
/// <param name="Amount">Pieces or won.</param>
/// <param name="Changed">When the record last changed. Null: there is none.</param>
internal sealed record Share(Order Order, string Of, long Amount, ShareState State, DateTime? Changed)
{
    /// <summary>The order's end is known and the participant's record does not say so yet: the document may, or may not.</summary>
    public bool IsSettling => State == ShareState.Held && Order.Status == OrderStatus.Confirmed;

    public static IEnumerable<Share> OfProducts(BookedOrder booked)
    {
        var state = booked.Reservation?.Status switch
        {
            ReservationStatus.Reserved => ShareState.Held,
            ReservationStatus.Rejected => ShareState.Refused,
            ReservationStatus.Released => ShareState.GivenBack,
            ReservationStatus.Settled => ShareState.Settled,
            null or ReservationStatus.Unspecified or _ => ShareState.Absent,
        };
        return booked.Order.Items.Select(item => new Share(booked.Order, item.ProductId, item.Quantity, state, booked.Reservation?.UpdateTime.ToDateTime()));
    }

    public static IEnumerable<Share> OfAccounts(BookedOrder booked)
    {
        var state = booked.Payment?.Status switch
        {
            PaymentStatus.Charged => ShareState.Held,
            PaymentStatus.Declined => ShareState.Refused,
            PaymentStatus.Refunded => ShareState.GivenBack,
            PaymentStatus.Settled => ShareState.Settled,
            null or PaymentStatus.Unspecified or _ => ShareState.Absent,
        };
        return [new(booked.Order, booked.Order.UserId, booked.Order.FinalAmount, state, booked.Payment?.UpdateTime.ToDateTime())];
    }
}
