using Shop.V1;

namespace Payments;

/// <summary>Handles the events of an order for Payments, and the calls of an orchestrated one.</summary>
internal sealed class PaymentHandlers(Participant<Account> participant, ISidecar sidecar, OrderOutcomeQuery getOutcome, ILoggerFactory logs) : IOrderStep
{
    private readonly ILogger log = logs.CreateLogger("Payments");

    public async Task ChargeAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        var reservation = await ReserveLinesAsync(order, ct);
        await sidecar.PublishAsync(new(order.OrderId, PaymentDecisions.Answer(reservation)), ct);
    }

    public async Task<ReserveResponse> TryAsync(OrderCreatedEvent order, CancellationToken ct) =>
        (await ReserveLinesAsync(order, ct)).ToResponse(PaymentDecisions.ToPaymentId(order.OrderId));

    private async Task<Reservation> ReserveLinesAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        PaymentLog.Charging(log, order.FinalAmount, order.OrderId);
        var reservation = await participant.ReserveAsync(
            order.OrderId, PaymentDecisions.ToLines(order.UserId, order.FinalAmount), PaymentDecisions.Reject, ct);
        if (reservation.WasReserved)
        {
            PaymentLog.BalanceTaken(log, order.FinalAmount, order.UserId, order.OrderId);
            PaymentLog.PaymentCreated(log, PaymentDecisions.ToPaymentId(order.OrderId), order.OrderId);
            PaymentLog.Charged(log, order.OrderId);
        }
        else PaymentLog.Declined(log, order.OrderId, reservation.Failure.Detail);
        return reservation;
    }

    /// <summary>The order-created has become a dead letter.</summary>
    public Task RecoverDeadLetteredAsync(OrderCreatedEvent order, CancellationToken ct) =>
        participant.RecoverDeadLetteredAsync(order.OrderId, PaymentDecisions.ToLines(order.UserId, order.FinalAmount), getOutcome, ct);

    public async Task RefundAsync(OrderFailedEvent order, CancellationToken ct)
    {
        var reservation = await ReleaseLinesAsync(order, ct);
        await sidecar.PublishAsync(new(order.OrderId, PaymentDecisions.ToCompensatedEvent(reservation)), ct);
    }

    public async Task<ReleaseResponse> CancelAsync(OrderFailedEvent order, CancellationToken ct) =>
        new() { Undone = (await ReleaseLinesAsync(order, ct)).WasReserved };

    private async Task<Reservation> ReleaseLinesAsync(OrderFailedEvent order, CancellationToken ct)
    {
        PaymentLog.Refunding(log, order.OrderId, order.Reason);
        var reservation = await participant.ReleaseAsync(order.OrderId, PaymentDecisions.ToLines(order.UserId, order.FinalAmount), ct);
        PaymentLog.Refunded(log, order.OrderId, reservation.WasReserved);
        return reservation;
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken ct)
    {
        await participant.SettleAsync(order.OrderId, PaymentDecisions.ToLines(order.UserId, order.FinalAmount), ct);
        PaymentLog.Spent(log, order.OrderId);
    }
}
