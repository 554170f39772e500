using Saga;
using Shop.V1;

namespace Orders;

/// <summary>What Orders does on each event.</summary>
internal sealed class OrderHandlers(OrderSteps orders, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Orders");

    public Task OnAsync(StockReservedEvent heard, CancellationToken stop) => DoneAsync(heard.OrderId, Step.Stock, heard.ReservationId, stop);

    public Task OnAsync(PaymentCompletedEvent heard, CancellationToken stop) => DoneAsync(heard.OrderId, Step.Payment, heard.PaymentId, stop);

    public Task OnAsync(CouponUsedEvent heard, CancellationToken stop)
    {
        if (heard.HasUserCouponId) return DoneAsync(heard.OrderId, Step.Coupon, heard.UserCouponId, stop);
        // Without a coupon the step was done from the start: nobody waits for what has nothing to do.
        OrderLog.Heard(log, OrderDecisions.SuccessOf(Step.Coupon), heard.OrderId);
        return Task.CompletedTask;
    }

    public Task OnAsync(StockReservationFailedEvent heard, CancellationToken stop) =>
        RefusedAsync(heard.OrderId, Step.Stock, new(heard.Reason, heard.Detail), stop);

    public Task OnAsync(PaymentFailedEvent heard, CancellationToken stop) =>
        RefusedAsync(heard.OrderId, Step.Payment, new(heard.Reason, heard.Detail), stop);

    public Task OnAsync(CouponUsageFailedEvent heard, CancellationToken stop) =>
        RefusedAsync(heard.OrderId, Step.Coupon, new(heard.Reason, heard.Detail), stop);

    public Task OnAsync(StockReleasedEvent heard, CancellationToken stop) => CompensatedAsync(heard.OrderId, Step.Stock, heard.Undone, stop);

    public Task OnAsync(PaymentRefundedEvent heard, CancellationToken stop) => CompensatedAsync(heard.OrderId, Step.Payment, heard.Undone, stop);

    public Task OnAsync(CouponRestoredEvent heard, CancellationToken stop) => CompensatedAsync(heard.OrderId, Step.Coupon, heard.Undone, stop);

    private async Task DoneAsync(string orderId, Step step, string reference, CancellationToken stop)
    {
        OrderLog.Heard(log, OrderDecisions.SuccessOf(step), orderId);
        await orders.RunAsync(orderId, (order, at) => OrderDecisions.Done(order, step, reference, at), stop);
    }

    private async Task RefusedAsync(string orderId, Step step, Refusal refusal, CancellationToken stop)
    {
        OrderLog.Heard(log, OrderDecisions.FailureOf(step), orderId);
        await orders.RunAsync(orderId, (order, at) => OrderDecisions.Refused(order, step, refusal, at), stop);
    }

    private async Task CompensatedAsync(string orderId, Step step, bool undone, CancellationToken stop)
    {
        OrderLog.Heard(log, OrderDecisions.CompensationOf(step), orderId);
        await orders.RunAsync(orderId, (order, at) => OrderDecisions.Compensated(order, step, undone, at), stop);
    }
}
