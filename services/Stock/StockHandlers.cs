using Shop.V1;

namespace Stock;

/// <summary>Handles the events of an order for Stock, and the calls of an orchestrated one.</summary>
internal sealed class StockHandlers(Participant<Product> participant, ISidecar sidecar, OrderOutcomeQuery getOutcome, ILoggerFactory logs) : IOrderStep
{
    private readonly ILogger log = logs.CreateLogger("Stock");

    public async Task ReserveAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        var reservation = await ReserveLinesAsync(order, ct);
        await sidecar.PublishAsync(new(order.OrderId, StockDecisions.Answer(reservation)), ct); // mutant: acknowledged-before-answered
    }

    public async Task<ReserveResponse> TryAsync(OrderCreatedEvent order, CancellationToken ct) =>
        (await ReserveLinesAsync(order, ct)).ToResponse(StockDecisions.ToReservationId(order.OrderId));

    private async Task<Reservation> ReserveLinesAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        StockLog.Reserving(log, order.OrderId, order.Items.Count);
        var reservation = await participant.ReserveAsync(order.OrderId, StockDecisions.ToLines(order.Items), StockDecisions.Reject, ct);
        if (reservation.WasReserved)
        {
            foreach (var line in reservation.Lines) StockLog.Held(log, line.Amount, line.ResourceId, order.OrderId);
            StockLog.Reserved(log, order.OrderId, StockDecisions.ToReservationId(order.OrderId));
        }
        else StockLog.Rejected(log, order.OrderId, reservation.Failure.Detail);
        return reservation;
    }

    /// <summary>The order-created has become a dead letter.</summary>
    public Task RecoverDeadLetteredAsync(OrderCreatedEvent order, CancellationToken ct) =>
        participant.RecoverDeadLetteredAsync(order.OrderId, StockDecisions.ToLines(order.Items), getOutcome, ct);

    public async Task ReleaseAsync(OrderFailedEvent order, CancellationToken ct)
    {
        var reservation = await ReleaseLinesAsync(order, ct); // mutant: only-completed-steps-released
        await sidecar.PublishAsync(new(order.OrderId, StockDecisions.ToCompensatedEvent(reservation)), ct);
    }

    public async Task<ReleaseResponse> CancelAsync(OrderFailedEvent order, CancellationToken ct) =>
        new() { Undone = (await ReleaseLinesAsync(order, ct)).WasReserved };

    private async Task<Reservation> ReleaseLinesAsync(OrderFailedEvent order, CancellationToken ct)
    {
        StockLog.Releasing(log, order.OrderId, order.Reason);
        var reservation = await participant.ReleaseAsync(order.OrderId, StockDecisions.ToLines(order.Items), ct);
        StockLog.Released(log, order.OrderId, reservation.WasReserved);
        return reservation;
    }

    public async Task SettleAsync(OrderConfirmedEvent order, CancellationToken ct)
    {
        await participant.SettleAsync(order.OrderId, StockDecisions.ToLines(order.Items), ct);
        StockLog.Sold(log, order.OrderId);
    }
}
