using Google.Protobuf;
using Saga;
using Shop.V1;

namespace Orders;

/// <summary>When something is decided, and in which trace.</summary>
/// <param name="TraceId">32 hex digits; null: no trace.</param>
internal sealed record DecisionContext(DateTimeOffset Now, string? TraceId)
{
    /// <summary>How long ago something was noted. What lies ahead was noted by a clock that was wrong, and is as old as it lies ahead: nobody waits until then.</summary>
    public TimeSpan Since(DateTimeOffset noted) => (Now - noted).Duration();
}

/// <summary>How long an order may wait.</summary>
/// <param name="Deadline">From placing: PENDING for longer, and it fails.</param>
/// <param name="ResendAfter">From the last change: nothing heard for longer, and what was said last is said again.</param>
internal sealed record SagaTimeouts(TimeSpan Deadline, TimeSpan ResendAfter);

/// <summary>What Orders decides and says. Pure: asked again about the same, it says the same again.</summary>
internal static class OrderDecisions
{
    /// <summary>Places an order, once.</summary>
    /// <param name="kept">What is kept under its id. When its content is another, it stays as it is and nothing is said.</param>
    /// <param name="seenAbandoned">The void order that was seen before the id was noted again. Any other void one came after the id was noted:
    /// nobody would look after an order placed over it. Null: none was seen.</param>
    public static Decision<Order> Place(Order? kept, Order placed, Order? seenAbandoned) => kept switch
    {
        null => new(placed, Created(placed)),
        { Status: OrderStatus.Abandoned } => kept.Placed == seenAbandoned?.Placed ? new(placed, Created(placed)) : new(kept),
        { Status: OrderStatus.Pending } when kept.Content == placed.Content => new(kept, Created(kept)),
        _ => new(kept),
    };

    /// <summary>A participant has done its step.</summary>
    public static Decision<Order> StepSucceeded(Order? kept, Step step, string reference, DecisionContext at)
    {
        var order = Require(kept);
        var before = order[step];
        switch (before.State)
        {
            case StepState.Done or StepState.Undone when before.AnsweredAt is not null:
                return new(order, FinalEvent(order));
            case StepState.Refused or StepState.Skipped:
                throw Contradiction(order, step, "done");
            case StepState.Waiting or StepState.Done or StepState.Undone:
                break;
        }
        var state = before.State == StepState.Undone ? StepState.Undone : StepState.Done;
        var done = Append(order.With(step, before with { State = state, Reference = reference, AnsweredAt = at.Now }), at, SuccessOf(step), $"{Name(step)} has done its part.");
        return order.Status switch
        {
            OrderStatus.Pending => Order.Steps.All(other => done[other].State == StepState.Done) ? Confirm(done, at) : new(done),
            // A late success does not revive the order: the order-failed that was said makes the participant undo it.
            OrderStatus.Failed => new(done),
            OrderStatus.Confirmed or OrderStatus.Abandoned => throw Contradiction(order, step, "done"),
        };
    }

    /// <summary>A participant has refused its step; the order fails.</summary>
    public static Decision<Order> StepFailed(Order? kept, Step step, FailureReason refusal, DecisionContext at)
    {
        var order = Require(kept);
        var before = order[step];
        switch (before.State)
        {
            case StepState.Done or StepState.Undone:
                throw Contradiction(order, step, "refused");
            case StepState.Refused or StepState.Skipped:
                return new(order, FinalEvent(order));
            case StepState.Waiting:
                break;
        }
        var tooLate = refusal.Reason == FailureReason.OrderAlreadyFailed.Reason;
        var record = before with { State = tooLate ? StepState.Skipped : StepState.Refused, FailureReason = tooLate ? null : refusal, AnsweredAt = at.Now };
        var refused = Append(order.With(step, record), at, FailureOf(step), refusal.Detail);
        return order.Status switch
        {
            OrderStatus.Pending => Fail(refused, refusal, at),
            OrderStatus.Failed => new(refused),
            OrderStatus.Confirmed or OrderStatus.Abandoned => throw Contradiction(order, step, "refused"),
        };
    }

    /// <summary>A participant says that nothing of a failed order is left to undo.</summary>
    /// <param name="undone">False: there had been nothing.</param>
    public static Decision<Order> StepCompensated(Order? kept, Step step, bool undone, DecisionContext at)
    {
        var order = Require(kept);
        if (order.Status != OrderStatus.Failed) throw Contradiction(order, step, "undone");
        var before = order[step];
        if (before.Compensated) return new(order);
        var after = before with
        {
            Compensated = true,
            State = undone ? StepState.Undone : before.State == StepState.Waiting ? StepState.Skipped : before.State,
        };
        return new(Append(order.With(step, after), at, CompensationOf(step),
            undone ? $"{Name(step)} has undone its part." : $"{Name(step)} had nothing to undo."));
    }

    /// <summary>A client wants the order ended. When it is already final it stays as it is.</summary>
    public static Decision<Order> Cancel(Order? kept, string comment, DecisionContext at)
    {
        var order = Require(kept);
        return order.Status == OrderStatus.Pending
            ? Fail(order, new("CANCELLED", comment.Length > 0 ? comment : "The order was cancelled."), at)
            : new(order, FinalEvent(order));
    }

    /// <summary>Nothing was heard for a while: says the last word again, or ends the order at its deadline.</summary>
    public static Decision<Order> OnQuiet(Order? kept, SagaTimeouts timeouts, DecisionContext at)
    {
        var order = Require(kept);
        var quiet = at.Since(order.LastChange) >= timeouts.ResendAfter;
        return order.Status switch
        {
            OrderStatus.Pending when at.Since(order.Placed) >= timeouts.Deadline => Fail(order, new("DEADLINE",
                $"Not everybody had answered {timeouts.Deadline.TotalSeconds:0} s after placing: {string.Join(", ", PendingSteps(order).Select(Name))}."), at),
            OrderStatus.Pending => quiet ? new(order, Created(order)) : new(order),
            OrderStatus.Failed when !order.IsClosed => quiet ? new(order, FinalEvent(order)) : new(order),
            OrderStatus.Confirmed or OrderStatus.Failed or OrderStatus.Abandoned => new(order),
        };
    }

    public static IEnumerable<Step> PendingSteps(Order order) => Order.Steps.Where(step => order.Status == OrderStatus.Failed
        ? !order[step].Compensated
        : order[step].State == StepState.Waiting);

    public static string Name(Step step) => step switch
    {
        Step.Stock => "Stock",
        Step.Payment => "Payments",
        Step.Coupon => "Coupons",
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    public static string SuccessOf(Step step) => OutgoingEvent.TopicOf(step switch
    {
        Step.Stock => nameof(StockReservedEvent),
        Step.Payment => nameof(PaymentCompletedEvent),
        Step.Coupon => nameof(CouponUsedEvent),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    });

    public static string FailureOf(Step step) => OutgoingEvent.TopicOf(step switch
    {
        Step.Stock => nameof(StockReservationFailedEvent),
        Step.Payment => nameof(PaymentFailedEvent),
        Step.Coupon => nameof(CouponUsageFailedEvent),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    });

    public static string CompensationOf(Step step) => OutgoingEvent.TopicOf(step switch
    {
        Step.Stock => nameof(StockReleasedEvent),
        Step.Payment => nameof(PaymentRefundedEvent),
        Step.Coupon => nameof(CouponRestoredEvent),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    });

    public static OutgoingEvent Created(Order order)
    {
        var created = new OrderCreatedEvent
        {
            OrderId = order.Id,
            UserId = order.UserId,
            Items = { order.Items.Select(LineOf) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
        };
        if (order.UserCouponId is { } coupon) created.UserCouponId = coupon;
        return new(order.Id, created);
    }

    public static OrderLine LineOf(Item item) => new() { ProductId = item.ProductId, Quantity = item.Quantity, UnitPrice = item.UnitPrice };

    private static Decision<Order> Confirm(Order order, DecisionContext at)
    {
        var confirmed = Append(order, at, "order-confirmed", "All three have done their part.", OrderStatus.Confirmed);
        return new(confirmed, FinalEvent(confirmed));
    }

    private static Decision<Order> Fail(Order order, FailureReason refusal, DecisionContext at)
    {
        var failed = Append(order with { Failure = refusal }, at, "order-failed", refusal.Detail, OrderStatus.Failed);
        return new(failed, FinalEvent(failed));
    }

    /// <summary>What a final order says, however often it is asked. Nothing while it is pending, nor once nobody needs to hear it.</summary>
    private static OutgoingEvent[] FinalEvent(Order order) => order.Status switch
    {
        OrderStatus.Pending or OrderStatus.Abandoned => [],
        OrderStatus.Confirmed => [new(order.Id, ToConfirmedEvent(order))],
        OrderStatus.Failed => order.IsClosed ? [] : [new(order.Id, ToFailedEvent(order))],
    };

    private static OrderConfirmedEvent ToConfirmedEvent(Order order)
    {
        var confirmed = new OrderConfirmedEvent
        {
            OrderId = order.Id,
            Steps =
            {
                Order.Steps.Select(step => new StepStatus
                {
                    Step = step,
                    AfterMs = (long)(order[step].AnsweredAt!.Value - order.Placed).TotalMilliseconds,
                }),
            },
        };
        if (order.UserCouponId is { } coupon) confirmed.UserCouponId = coupon;
        return confirmed;
    }

    private static OrderFailedEvent ToFailedEvent(Order order)
    {
        var failed = new OrderFailedEvent
        {
            OrderId = order.Id,
            UserId = order.UserId,
            Items = { order.Items.Select(LineOf) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
            Reason = order.Failure!.Reason,
            Detail = order.Failure.Detail,
            CompletedSteps = { Order.Steps.Where(step => order[step].State is StepState.Done or StepState.Undone) },
        };
        if (order.UserCouponId is { } coupon) failed.UserCouponId = coupon;
        return failed;
    }

    private static Order Append(Order order, DecisionContext at, string name, string detail, OrderStatus? status = null) => order with
    {
        Status = status ?? order.Status,
        Timeline = order.Timeline.Add(new(at.Now, name, detail, status ?? order.Status, at.TraceId == order.Timeline.FirstOrDefault()?.TraceId ? null : at.TraceId)),
    };

    private static Order Require(Order? order) => order is null or { Status: OrderStatus.Abandoned }
        ? throw new UnprocessableEventException("There is no such order.")
        : order;

    private static UnprocessableEventException Contradiction(Order order, Step step, string heard) => new(
        $"{Name(step)} says that its step of order {order.Id} is {heard}, but the order is {order.Status} and the step {order[step].State}.");
}
