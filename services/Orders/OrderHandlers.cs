using Saga;
using Shop.V1;

namespace Orders;

/// <summary>What Orders does on each event.</summary>
internal sealed class OrderHandlers(OrderStore orders, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Orders");

    public Task OnAsync(StockReservedEvent heard, CancellationToken ct) => DoneAsync(heard.OrderId, Step.Stock, heard.ReservationId, ct);

    public Task OnAsync(PaymentCompletedEvent heard, CancellationToken ct) => DoneAsync(heard.OrderId, Step.Payment, heard.PaymentId, ct);

    public Task OnAsync(CouponUsedEvent heard, CancellationToken ct)
    {
        if (heard.HasUserCouponId) return DoneAsync(heard.OrderId, Step.Coupon, heard.UserCouponId, ct);
        // Without a coupon the step was done from the start: nobody waits for what has nothing to do.
        OrderLog.Heard(log, OrderDecisions.SuccessOf(Step.Coupon), heard.OrderId);
        return Task.CompletedTask;
    }

    public Task OnAsync(StockReservationFailedEvent heard, CancellationToken ct) =>
        RefusedAsync(heard.OrderId, Step.Stock, new(heard.Reason, heard.Detail), ct);

    public Task OnAsync(PaymentFailedEvent heard, CancellationToken ct) =>
        RefusedAsync(heard.OrderId, Step.Payment, new(heard.Reason, heard.Detail), ct);

    public Task OnAsync(CouponUsageFailedEvent heard, CancellationToken ct) =>
        RefusedAsync(heard.OrderId, Step.Coupon, new(heard.Reason, heard.Detail), ct);

    public Task OnAsync(StockReleasedEvent heard, CancellationToken ct) => CompensatedAsync(heard.OrderId, Step.Stock, heard.Undone, ct);

    public Task OnAsync(PaymentRefundedEvent heard, CancellationToken ct) => CompensatedAsync(heard.OrderId, Step.Payment, heard.Undone, ct);

    public Task OnAsync(CouponRestoredEvent heard, CancellationToken ct) => CompensatedAsync(heard.OrderId, Step.Coupon, heard.Undone, ct);

    private async Task DoneAsync(string orderId, Step step, string reference, CancellationToken ct)
    {
        OrderLog.Heard(log, OrderDecisions.SuccessOf(step), orderId);
        await orders.RunAsync(orderId, (order, at) => OrderDecisions.StepSucceeded(order, step, reference, at), ct);
    }

    private async Task RefusedAsync(string orderId, Step step, FailureReason refusal, CancellationToken ct)
    {
        OrderLog.Heard(log, OrderDecisions.FailureOf(step), orderId);
        await orders.RunAsync(orderId, (order, at) => OrderDecisions.StepFailed(order, step, refusal, at), ct);
    }

    private async Task CompensatedAsync(string orderId, Step step, bool undone, CancellationToken ct)
    {
        OrderLog.Heard(log, OrderDecisions.CompensationOf(step), orderId);
        await orders.RunAsync(orderId, (order, at) => OrderDecisions.StepCompensated(order, step, undone, at), ct);
    }
}
