namespace Orders;

/// <summary>
/// The order that an idempotency key has placed, or is about to. A key that is used again when its order is forgotten places another order under
/// another id: participants may still have a mark of the forgotten one.
/// </summary>
/// <param name="At">When the id was chosen.</param>
internal sealed record PlacedKey(string OrderId, DateTimeOffset At) : IHasInvariants
{
    /// <summary>From the choice of the id: longer than the order is stored, unless it stays open for two weeks.</summary>
    public static readonly TimeSpan TimeToLive = 3 * Retention.OfFinished;

    /// <summary>A day: longer than any call that has chosen an id takes to place the order, and shorter than the order is stored.</summary>
    private static readonly TimeSpan PlacedWithin = Retention.OfFinished / 7;

    /// <summary>True: an order of this id that is not stored is forgotten, and not about to be placed.</summary>
    public bool IsOver(DateTimeOffset now) => now - At > PlacedWithin;

    /// <param name="key">See <see cref="OrderNumber.Derive"/>.</param>
    public static string KeyOf(Guid key) => $"placed-key:{key}";

    public string? FindProblem(string key) => DocumentId.IsOfOrder(OrderId) ? null : $"'{OrderId}' in it is no order id";
}
