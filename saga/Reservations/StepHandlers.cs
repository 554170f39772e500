using System.Collections.Immutable;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Messaging;
using Saga.State;
using Saga.Telemetry;
using Shop.V1;

namespace Saga.Reservations;

/// <summary>Handles the events of an order for a participant that has decisions only, and answers in its name.</summary>
/// <param name="appId">The name of the step.</param>
internal sealed class StepHandlers<T>(
    Participant<T> participant, DocumentStore documents, ISidecar sidecar, Func<string, string> keyOf, OrderOutcomeQuery getOutcome, AppId appId,
    StepDecisions<T> decisions, ILogger log) : IOrderStep
    where T : class, IHasHoldings<T>
{
    public Subscriptions SubscribeTo(Subscriptions events) => events
        .On<OrderCreatedEvent>(ReserveAsync, $"reserve {appId.Name}", RecoverDeadLetteredAsync)
        .On<OrderConfirmedEvent>(SettleAsync, $"settle {appId.Name}")
        .On<OrderFailedEvent>(ReleaseAsync, $"release {appId.Name}");

    public async Task<ReserveResponse> TryAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        var lines = GetLines(order);
        if (lines.IsEmpty) return new();
        if (Reservation.FindProblem(lines) is { } problem) throw new UnprocessableEventException($"ToLines of {appId.Name} is wrong for order {order.OrderId}: {problem}.");
        await CreateAsync(lines, ct);
        var answer = (await participant.ReserveAsync(order.OrderId, lines, decisions.Reject, ct)).ToResponse($"{appId.Name}-{order.OrderId}");
        if (answer.Rejection is { } why) SagaLog.StepRejected(log, order.OrderId, why.Reason, why.Detail);
        else SagaLog.StepReserved(log, order.OrderId, answer.Reference);
        return answer;
    }

    public async Task<ReleaseResponse> CancelAsync(OrderFailedEvent order, CancellationToken ct)
    {
        var lines = GetLines(Facts(order));
        // With wrong lines nothing was reserved. What another version of ToLines has reserved is tracked, and released by the sweep.
        if (Reservation.FindProblem(lines) is not null) return new();
        // There must be a place for the tombstone.
        await CreateAsync(lines, ct);
        var released = await participant.ReleaseAsync(order.OrderId, lines, ct);
        SagaLog.StepReleased(log, order.OrderId, order.Reason, released.WasReserved);
        return new() { Undone = released.WasReserved };
    }

    /// <summary>
    /// True: the order waits for this participant. The topics also have the orders of before it joined, as far back as the broker keeps events.
    /// </summary>
    /// <param name="steps">Empty: an older version of Orders does not say.</param>
    private bool TakesPart(IEnumerable<string> steps) => !steps.Any() || steps.Contains(appId.Name);

    private async Task ReserveAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        if (!TakesPart(order.Steps)) return;
        var answer = await TryAsync(order, ct);
        await PublishAsync(order.OrderId, answer.Rejection is { } why
            ? new StepFailedEvent { OrderId = order.OrderId, Step = appId.Name, Reason = why.Reason, Detail = why.Detail }
            : new StepSucceededEvent { OrderId = order.OrderId, Step = appId.Name, Reference = answer.Reference }, ct);
    }

    private async Task SettleAsync(OrderConfirmedEvent order, CancellationToken ct)
    {
        if (GetLines(Facts(order)) is not { IsEmpty: false } lines) return;
        try
        {
            await participant.SettleAsync(order.OrderId, lines, ct);
            SagaLog.StepSettled(log, order.OrderId);
        }
        catch (UnprocessableEventException) when (order.Steps.All(step => step.Name != appId.Name))
        {
            // No contradiction: the order did not wait for this step, which was added later.
            SagaLog.ConfirmedWithoutStep(log, order.OrderId);
        }
    }

    private async Task ReleaseAsync(OrderFailedEvent order, CancellationToken ct)
    {
        if (!TakesPart(order.Steps)) return;
        var answer = await CancelAsync(order, ct);
        await PublishAsync(order.OrderId, new StepCompensatedEvent { OrderId = order.OrderId, Step = appId.Name, Undone = answer.Undone }, ct);
    }

    /// <summary>The order-created has become a dead letter.</summary>
    private async Task RecoverDeadLetteredAsync(OrderCreatedEvent order, CancellationToken ct)
    {
        if (TakesPart(order.Steps) && GetLines(order) is { IsEmpty: false } lines) await participant.RecoverDeadLetteredAsync(order.OrderId, lines, getOutcome, ct);
    }

    /// <summary>None also where ToLines returns the default of the array.</summary>
    private ImmutableArray<ReservationLine> GetLines(OrderCreatedEvent order) => decisions.ToLines(order) is { IsDefault: false } lines ? lines : [];

    /// <summary>Creates the documents that are missing, if they need no client for that.</summary>
    private async Task CreateAsync(ImmutableArray<ReservationLine> lines, CancellationToken ct)
    {
        if (decisions.Create is not { } create) return;
        foreach (var line in lines)
        {
            await documents.UpdateAsync<T, bool>(
                keyOf(line.ResourceId), stored => new(stored is null ? create(line.ResourceId) : null, stored is null), ct);
        }
    }

    private Task PublishAsync(string orderId, IMessage answer, CancellationToken ct) => sidecar.PublishAsync(new(orderId, answer), ct);

    private static OrderCreatedEvent Facts(OrderConfirmedEvent order) =>
        Facts(order.OrderId, order.UserId, order.Items, order.TotalAmount, order.DiscountAmount, order.FinalAmount, order.HasUserCouponId ? order.UserCouponId : null);

    private static OrderCreatedEvent Facts(OrderFailedEvent order) =>
        Facts(order.OrderId, order.UserId, order.Items, order.TotalAmount, order.DiscountAmount, order.FinalAmount, order.HasUserCouponId ? order.UserCouponId : null);

    /// <summary>What order-created had, and the other two events repeat.</summary>
    private static OrderCreatedEvent Facts(
        string orderId, string userId, IEnumerable<OrderLine> items, long total, long discount, long final, string? coupon)
    {
        var facts = new OrderCreatedEvent
        {
            OrderId = orderId, UserId = userId, Items = { items }, TotalAmount = total, DiscountAmount = discount, FinalAmount = final,
        };
        if (coupon is not null) facts.UserCouponId = coupon;
        return facts;
    }
}
