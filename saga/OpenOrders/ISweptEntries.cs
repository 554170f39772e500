namespace Saga.OpenOrders;

/// <summary>
/// The entries that a sweep visits, by order. An entry that it cannot handle becomes a dead letter, which is redriven through this
/// interface.
/// </summary>
internal interface ISweptEntries
{
    /// <summary>Takes the place of the topic in the dead letter.</summary>
    string Kind { get; }

    /// <summary>Handles one entry now, and tracks it again when it is still open.</summary>
    /// <param name="entry">The detail of the entry as JSON, or its order id if it has none.</param>
    Task VisitAsync(string entry, CancellationToken ct);
}
