using Shop.V1;

namespace Orders;

/// <summary>Handles the answers of the participants: one decision per event.</summary>
internal sealed class OrderHandlers(OrderStore orders, ILoggerFactory logs)
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
        OrderLog.Consumed(log, OrderDecisions.GetSuccessTopic(Step.Coupon), e.OrderId);
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

    private async Task SucceededAsync(string orderId, Step step, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct)
    {
        OrderLog.Consumed(log, OrderDecisions.GetSuccessTopic(step), orderId);
        await orders.ApplyAsync(orderId, decide, ct);
    }

    private async Task FailedAsync(string orderId, Step step, FailureReason reason, CancellationToken ct)
    {
        OrderLog.Consumed(log, OrderDecisions.GetFailureTopic(step), orderId);
        await orders.ApplyAsync(orderId, (order, at) => OrderDecisions.StepFailed(order, step, reason, at), ct);
    }

    private async Task CompensatedAsync(string orderId, Step step, bool undone, CancellationToken ct)
    {
        OrderLog.Consumed(log, OrderDecisions.GetCompensationTopic(step), orderId);
        await orders.ApplyAsync(orderId, (order, at) => OrderDecisions.StepCompensated(order, step, undone, at), ct);
    }
}
