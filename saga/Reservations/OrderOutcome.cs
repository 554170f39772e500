using Saga.State;

namespace Saga.Reservations;

/// <summary>How far an order has come, as far as a participant needs to know.</summary>
public enum OrderOutcome
{
    /// <summary>Not final yet.</summary>
    Pending,
    Confirmed,
    /// <summary>Failed, and not every participant has compensated: order-failed will be resent.</summary>
    Compensating,
    /// <summary>Failed and compensated everywhere.</summary>
    Closed,
    /// <summary>Orders has no record of it: it was never placed, or was closed for longer than <see cref="Retention.OfFinished"/>.</summary>
    Unknown,
}

/// <summary>Asks Orders for the outcome of an order. Throws when Orders does not answer.</summary>
public delegate Task<OrderOutcome> OrderOutcomeQuery(string orderId, CancellationToken ct);
