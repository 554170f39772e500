namespace Orders;

/// <summary>The timeouts of an order.</summary>
/// <param name="Deadline">From placing. An order that is PENDING for longer fails.</param>
/// <param name="ResendAfter">From its last change. After it the last event of an open order is resent.</param>
internal sealed record SagaTimeouts(TimeSpan Deadline, TimeSpan ResendAfter);
