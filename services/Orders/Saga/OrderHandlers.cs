using Shop.V1;

namespace Orders;

/// <summary>Handles the answers of the participants: one decision per event.</summary>
internal sealed class OrderHandlers(OrderStore orders, SagaSteps steps, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Orders");

    public Task OnAsync(StockReservedEvent e, CancellationToken ct) => SucceededAsync(
        e.OrderId, Step.Stock, (order, at) => OrderDecisions.StepSucceeded(order, Step.Stock, e.ReservationId, at), ct);

    public Task OnAsync(PaymentCompletedEvent e, CancellationToken ct) => SucceededAsync(
        e.OrderId, Step.Payment, (order, at) => OrderDecisions.PaymentCompleted(order, e.PaymentId, e.Amount, at), ct);

    public Task OnAsync(CouponUsedEvent e, CancellationToken ct)
    {
        if (e.HasUserCouponId)
        {
            return SucceededAsync(e.OrderId, Step.Coupon, (order, at) => OrderDecisions.CouponUsed(order, e.UserCouponId, at), ct);
        }
        // Without a coupon the step was done when the order was placed.
        OrderLog.Consumed(log, Step.Coupon.SuccessTopic, e.OrderId);
        return Task.CompletedTask;
    }

    public Task OnAsync(StockReservationFailedEvent e, CancellationToken ct) =>
        FailedAsync(e.OrderId, Step.Stock, new(e.Reason, e.Detail), ct);

    public Task OnAsync(PaymentFailedEvent e, CancellationToken ct) =>
        FailedAsync(e.OrderId, Step.Payment, new(e.Reason, e.Detail), ct);

    public Task OnAsync(CouponUsageFailedEvent e, CancellationToken ct) =>
        FailedAsync(e.OrderId, Step.Coupon, new(e.Reason, e.Detail), ct);

    public Task OnAsync(StockReleasedEvent e, CancellationToken ct) => CompensatedAsync(e.OrderId, Step.Stock, e.Undone, ct);

    public Task OnAsync(PaymentRefundedEvent e, CancellationToken ct) => CompensatedAsync(e.OrderId, Step.Payment, e.Undone, ct);

    public Task OnAsync(CouponRestoredEvent e, CancellationToken ct) => CompensatedAsync(e.OrderId, Step.Coupon, e.Undone, ct);

    /// <summary>The steps whose answers are not events of their own.</summary>
    public IEnumerable<Step> StepsWithSharedEvents => steps.All.Where(step => step.HasSharedEvents);

    public Task OnAsync(Step step, StepSucceededEvent e, CancellationToken ct) => SucceededAsync(
        e.OrderId, step, (order, at) => OrderDecisions.StepSucceeded(order, Same(step, e.Step), e.Reference, at), ct);

    public Task OnAsync(Step step, StepFailedEvent e, CancellationToken ct) =>
        FailedAsync(e.OrderId, Same(step, e.Step), new(e.Reason, e.Detail), ct);

    public Task OnAsync(Step step, StepCompensatedEvent e, CancellationToken ct) => CompensatedAsync(e.OrderId, Same(step, e.Step), e.Undone, ct);

    /// <summary>An app that may publish on the topics of a step may answer for that step, and for no other.</summary>
    private static Step Same(Step step, string claimed) => claimed == step.Name ? step
        : throw new UnprocessableEventException($"The topics of the step {step.Name} do not answer for {claimed}.");

    private async Task SucceededAsync(string orderId, Step step, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct)
    {
        OrderLog.Consumed(log, step.SuccessTopic, orderId);
        await ApplyAsync(orderId, decide, ct);
    }

    private async Task FailedAsync(string orderId, Step step, FailureReason reason, CancellationToken ct)
    {
        OrderLog.Consumed(log, step.FailureTopic, orderId);
        await ApplyAsync(orderId, (order, at) => OrderDecisions.StepFailed(order, step, reason, at), ct);
    }

    private async Task CompensatedAsync(string orderId, Step step, bool undone, CancellationToken ct)
    {
        OrderLog.Consumed(log, step.CompensationTopic, orderId);
        // Also of an orchestrated one that is pending: what it holds is gone.
        await orders.ApplyAsync(orderId, (stored, at) => OrderDecisions.StepCompensated(
            stored is { Status: OrderStatus.Pending } ? stored : OrderDecisions.AnsweredByEvents(stored), step, undone, at), ct);
    }

    private Task ApplyAsync(string orderId, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct) =>
        orders.ApplyAsync(orderId, (stored, at) => decide(OrderDecisions.AnsweredByEvents(stored), at), ct);
}

/// <summary>Subscribes Orders to the participants that have no events of their own.</summary>
internal static class StepSubscriptions
{
    public static Subscriptions OnSteps(this Subscriptions events, OrderHandlers orders)
    {
        foreach (var step in orders.StepsWithSharedEvents)
        {
            events
                .On<StepSucceededEvent>(step.SuccessTopic, (e, ct) => orders.OnAsync(step, e, ct))
                .On<StepFailedEvent>(step.FailureTopic, (e, ct) => orders.OnAsync(step, e, ct))
                .On<StepCompensatedEvent>(step.CompensationTopic, (e, ct) => orders.OnAsync(step, e, ct));
        }
        return events;
    }
}
