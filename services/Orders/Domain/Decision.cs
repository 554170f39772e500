namespace Orders;

/// <summary>The outcome of a decision: the new state, and the events to publish because of it.</summary>
/// <param name="State">The same instance as before: nothing changed. Null: there is still no document.</param>
internal sealed record Decision<T>(T? State, params IReadOnlyList<OutgoingEvent> Events) where T : class;
