namespace Orders;

/// <summary>The timeouts of an order.</summary>
/// <param name="Deadline">From placing. An order that is PENDING for longer fails.</param>
/// <param name="ResendAfter">From its last change. After it the last event of an open order is resent, and an orchestrated one is continued.</param>
/// <param name="PayDeadline">From placing. An orchestrated order that is PENDING for longer fails.</param>
internal sealed record SagaTimeouts(TimeSpan Deadline, TimeSpan ResendAfter, TimeSpan PayDeadline)
{
    public static SagaTimeouts Of(SagaOptions options) => new(options.Deadline, options.ResendAfter, options.PayDeadline);

    /// <summary>From tracking. No order has anything to do before it.</summary>
    public TimeSpan FirstVisit => new[] { ResendAfter, Deadline, PayDeadline }.Min();

    public TimeSpan GetDeadline(SagaPattern pattern) => pattern switch
    {
        SagaPattern.Choreography => Deadline,
        SagaPattern.Orchestration => PayDeadline,
    };
}
