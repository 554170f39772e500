using Shop.V1;

namespace Stock;

/// <summary>Handles the events of an order for Stock.</summary>
internal sealed class StockHandlers(Participant<Product> participant, ISidecar sidecar, OrderOutcomeQuery getOutcome, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("Stock");

    public async Task ReserveAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        StockLog.Reserving(log, order.OrderId, order.Items.Count);
        var reservation = await participant.ReserveAsync(order.OrderId, StockDecisions.ToLines(order.Items), StockDecisions.Refuse, ct);
        if (reservation.WasReserved)
        {
            foreach (var line in reservation.Lines) StockLog.Held(log, line.Amount, line.ResourceId, order.OrderId);
            StockLog.Reserved(log, order.OrderId, StockDecisions.ToReservationId(order.OrderId));
        }
        else StockLog.Rejected(log, order.OrderId, reservation.Failure.Detail);
        await sidecar.PublishAsync(new(order.OrderId, StockDecisions.Answer(reservation)), ct); // mutant: acknowledged-before-answered
    }

    /// <summary>The order-created has become a dead letter.</summary>
    public Task AbandonAsync(OrderCreatedEvent order, CancellationToken ct) =>
        participant.AbandonAsync(order.OrderId, StockDecisions.ToLines(order.Items), getOutcome, ct);

    public async Task ReleaseAsync(OrderFailedEvent order, CancellationToken ct)
    {
        StockLog.Releasing(log, order.OrderId, order.Reason);
        var reservation = await participant.ReleaseAsync(order.OrderId, StockDecisions.ToLines(order.Items), ct); // mutant: only-completed-steps-released
        StockLog.Released(log, order.OrderId, reservation.WasReserved);
        await sidecar.PublishAsync(new(order.OrderId, StockDecisions.ToCompensatedEvent(reservation)), ct);
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken ct)
    {
        await participant.SettleAsync(order.OrderId, StockDecisions.ToLines(order.Items), ct);
        StockLog.Sold(log, order.OrderId);
    }
}
