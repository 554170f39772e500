using Saga;
using Shop.V1;

namespace Stock;

/// <summary>What Stock does on each event.</summary>
internal sealed class StockHandlers(Participant<Product> participant, ISidecar sidecar, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Stock");

    public async Task ReserveAsync(OrderCreatedEvent order, CancellationToken stop)
    {
        StockLog.Reserving(log, order.OrderId, order.Items.Count);
        var claim = await participant.TakeAsync(order.OrderId, StockDecisions.LinesOf(order.Items), StockDecisions.Refuse, stop);
        if (claim.EverHeld)
        {
            foreach (var line in claim.Lines) StockLog.Taken(log, line.Amount, line.Of, order.OrderId);
            StockLog.Reserved(log, order.OrderId, StockDecisions.ReservationIdOf(order.OrderId));
        }
        else StockLog.Rejected(log, order.OrderId, (claim.Refusal ?? Refusal.OrderAlreadyFailed).Detail);
        await sidecar.PublishAsync(new(order.OrderId, StockDecisions.Answer(claim)), stop);
    }

    public async Task ReleaseAsync(OrderFailedEvent order, CancellationToken stop)
    {
        StockLog.Releasing(log, order.OrderId, order.Reason);
        var claim = await participant.GiveBackAsync(order.OrderId, StockDecisions.LinesOf(order.Items), stop);
        StockLog.Released(log, order.OrderId, claim.EverHeld);
        await sidecar.PublishAsync(new(order.OrderId, StockDecisions.AnswerToFailure(claim)), stop);
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken stop)
    {
        await participant.SettleAsync(order.OrderId, stop);
        StockLog.Sold(log, order.OrderId);
    }
}
