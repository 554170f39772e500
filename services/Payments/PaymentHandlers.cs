using Saga;
using Shop.V1;

namespace Payments;

/// <summary>What Payments does on each event.</summary>
internal sealed class PaymentHandlers(Participant<Account> participant, ISidecar sidecar, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Payments");

    public async Task ChargeAsync(OrderCreatedEvent order, CancellationToken stop)
    {
        PaymentLog.Charging(log, order.FinalAmount, order.OrderId);
        var claim = await participant.TakeAsync(
            order.OrderId, PaymentDecisions.LinesOf(order.UserId, order.FinalAmount), PaymentDecisions.Refuse, stop);
        if (claim.EverHeld)
        {
            PaymentLog.BalanceTaken(log, order.FinalAmount, order.UserId, order.OrderId);
            PaymentLog.PaymentCreated(log, PaymentDecisions.PaymentIdOf(order.OrderId), order.OrderId);
            PaymentLog.Charged(log, order.OrderId);
        }
        else PaymentLog.Declined(log, order.OrderId, (claim.Refusal ?? Refusal.OrderAlreadyFailed).Detail);
        await sidecar.PublishAsync(new(order.OrderId, PaymentDecisions.Answer(claim)), stop);
    }

    public async Task RefundAsync(OrderFailedEvent order, CancellationToken stop)
    {
        PaymentLog.Refunding(log, order.OrderId, order.Reason);
        var claim = await participant.GiveBackAsync(order.OrderId, PaymentDecisions.LinesOf(order.UserId, order.FinalAmount), stop);
        PaymentLog.Refunded(log, order.OrderId, claim.EverHeld);
        await sidecar.PublishAsync(new(order.OrderId, PaymentDecisions.AnswerToFailure(claim)), stop);
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken stop)
    {
        await participant.SettleAsync(order.OrderId, stop);
        PaymentLog.Spent(log, order.OrderId);
    }
}
