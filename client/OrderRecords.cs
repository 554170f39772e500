using Shop.V1;

namespace Shop;

/// <summary>An order with the records that Stock and Payments keep of it.</summary>
/// <param name="Reservation">Null: Stock has none.</param>
/// <param name="Payment">Null: Payments has none.</param>
public sealed record OrderRecords(Order Order, Reservation? Reservation, Payment? Payment)
{
    /// <summary>Both records are in a state that never changes.</summary>
    public bool IsFinal =>
        Reservation?.Status is ReservationStatus.Settled or ReservationStatus.Released or ReservationStatus.Rejected
        && Payment?.Status is PaymentStatus.Settled or PaymentStatus.Refunded or PaymentStatus.Declined;
}
