using Google.Protobuf;
using Saga;
using Shop.V1;

namespace Orders;

/// <summary>When something is decided, and in which trace.</summary>
/// <param name="TraceId">32 hex digits; null: no trace.</param>
internal sealed record Moment(DateTimeOffset Now, string? TraceId)
{
    /// <summary>How long ago something was noted. What lies ahead was noted by a clock that was wrong, and is as old as it lies ahead: nobody waits until then.</summary>
    public TimeSpan Since(DateTimeOffset noted) => (Now - noted).Duration();
}

/// <summary>How long an order may wait.</summary>
/// <param name="Deadline">From placing: PENDING for longer, and it fails.</param>
/// <param name="Quiet">From the last change: nothing heard for longer, and what was said last is said again.</param>
internal sealed record Limits(TimeSpan Deadline, TimeSpan Quiet);

/// <summary>What Orders decides and says. Pure: asked again about the same, it says the same again.</summary>
internal static class OrderDecisions
{
    /// <summary>Places an order, once.</summary>
    /// <param name="kept">What is kept under its id. When its content is another, it stays as it is and nothing is said.</param>
    /// <param name="seenVoid">The void order that was seen before the id was noted again. Any other void one came after the id was noted:
    /// nobody would look after an order placed over it. Null: none was seen.</param>
    public static Decision<Order> Place(Order? kept, Order placed, Order? seenVoid) => kept switch
    {
        null => new(placed, Created(placed)),
        { Status: OrderStatus.Void } => kept.Placed == seenVoid?.Placed ? new(placed, Created(placed)) : new(kept),
        { Status: OrderStatus.Pending } when kept.Content == placed.Content => new(kept, Created(kept)),
        _ => new(kept),
    };

    /// <summary>A participant has done its step.</summary>
    public static Decision<Order> Done(Order? kept, Step step, string reference, Moment at)
    {
        var order = Known(kept);
        var before = order[step];
        switch (before.State)
        {
            case StepState.Done or StepState.Undone when before.Heard is not null:
                return new(order, FinalWord(order));
            case StepState.Refused or StepState.Skipped:
                throw Contradiction(order, step, "done");
            case StepState.Waiting or StepState.Done or StepState.Undone:
                break;
        }
        var state = before.State == StepState.Undone ? StepState.Undone : StepState.Done;
        var done = Note(order.With(step, before with { State = state, Reference = reference, Heard = at.Now }), at, SuccessOf(step), $"{Name(step)} has done its part.");
        return order.Status switch
        {
            OrderStatus.Pending => Order.Steps.All(other => done[other].State == StepState.Done) ? Confirm(done, at) : new(done),
            // A late success does not revive the order: the order-failed that was said makes the participant undo it.
            OrderStatus.Failed => new(done),
            OrderStatus.Confirmed or OrderStatus.Void => throw Contradiction(order, step, "done"),
        };
    }

    /// <summary>A participant has refused its step; the order fails.</summary>
    public static Decision<Order> Refused(Order? kept, Step step, Refusal refusal, Moment at)
    {
        var order = Known(kept);
        var before = order[step];
        switch (before.State)
        {
            case StepState.Done or StepState.Undone:
                throw Contradiction(order, step, "refused");
            case StepState.Refused or StepState.Skipped:
                return new(order, FinalWord(order));
            case StepState.Waiting:
                break;
        }
        var tooLate = refusal.Reason == Refusal.OrderAlreadyFailed.Reason;
        var record = before with { State = tooLate ? StepState.Skipped : StepState.Refused, Refusal = tooLate ? null : refusal, Heard = at.Now };
        var refused = Note(order.With(step, record), at, FailureOf(step), refusal.Detail);
        return order.Status switch
        {
            OrderStatus.Pending => Fail(refused, refusal, at),
            OrderStatus.Failed => new(refused),
            OrderStatus.Confirmed or OrderStatus.Void => throw Contradiction(order, step, "refused"),
        };
    }

    /// <summary>A participant says that nothing of a failed order is left to undo.</summary>
    /// <param name="undone">False: there had been nothing.</param>
    public static Decision<Order> Compensated(Order? kept, Step step, bool undone, Moment at)
    {
        var order = Known(kept);
        if (order.Status != OrderStatus.Failed) throw Contradiction(order, step, "undone");
        var before = order[step];
        if (before.Compensated) return new(order);
        var after = before with
        {
            Compensated = true,
            State = undone ? StepState.Undone : before.State == StepState.Waiting ? StepState.Skipped : before.State,
        };
        return new(Note(order.With(step, after), at, CompensationOf(step),
            undone ? $"{Name(step)} has undone its part." : $"{Name(step)} had nothing to undo."));
    }

    /// <summary>A client wants the order ended. When it is already final it stays as it is.</summary>
    public static Decision<Order> Cancel(Order? kept, string comment, Moment at)
    {
        var order = Known(kept);
        return order.Status == OrderStatus.Pending
            ? Fail(order, new("CANCELLED", comment.Length > 0 ? comment : "The order was cancelled."), at)
            : new(order, FinalWord(order));
    }

    /// <summary>Nothing was heard for a while: says the last word again, or ends the order at its deadline.</summary>
    public static Decision<Order> Remind(Order? kept, Limits limits, Moment at)
    {
        var order = Known(kept);
        var quiet = at.Since(order.LastChange) >= limits.Quiet;
        return order.Status switch
        {
            OrderStatus.Pending when at.Since(order.Placed) >= limits.Deadline => Fail(order, new("DEADLINE",
                $"Not everybody had answered {limits.Deadline.TotalSeconds:0} s after placing: {string.Join(", ", Missing(order).Select(Name))}."), at),
            OrderStatus.Pending => quiet ? new(order, Created(order)) : new(order),
            OrderStatus.Failed when !order.Settled => quiet ? new(order, FinalWord(order)) : new(order),
            OrderStatus.Confirmed or OrderStatus.Failed or OrderStatus.Void => new(order),
        };
    }

    public static IEnumerable<Step> Missing(Order order) => Order.Steps.Where(step => order.Status == OrderStatus.Failed
        ? !order[step].Compensated
        : order[step].State == StepState.Waiting);

    public static string Name(Step step) => step switch
    {
        Step.Stock => "Stock",
        Step.Payment => "Payments",
        Step.Coupon => "Coupons",
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    public static string SuccessOf(Step step) => Event.TopicOf(step switch
    {
        Step.Stock => nameof(StockReservedEvent),
        Step.Payment => nameof(PaymentCompletedEvent),
        Step.Coupon => nameof(CouponUsedEvent),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    });

    public static string FailureOf(Step step) => Event.TopicOf(step switch
    {
        Step.Stock => nameof(StockReservationFailedEvent),
        Step.Payment => nameof(PaymentFailedEvent),
        Step.Coupon => nameof(CouponUsageFailedEvent),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    });

    public static string CompensationOf(Step step) => Event.TopicOf(step switch
    {
        Step.Stock => nameof(StockReleasedEvent),
        Step.Payment => nameof(PaymentRefundedEvent),
        Step.Coupon => nameof(CouponRestoredEvent),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    });

    public static Event Created(Order order)
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

    private static Decision<Order> Confirm(Order order, Moment at)
    {
        var confirmed = Note(order, at, "order-confirmed", "All three have done their part.", OrderStatus.Confirmed);
        return new(confirmed, FinalWord(confirmed));
    }

    private static Decision<Order> Fail(Order order, Refusal refusal, Moment at)
    {
        var failed = Note(order with { Failure = refusal }, at, "order-failed", refusal.Detail, OrderStatus.Failed);
        return new(failed, FinalWord(failed));
    }

    /// <summary>What a final order says, however often it is asked. Nothing while it is pending, nor once nobody needs to hear it.</summary>
    private static Event[] FinalWord(Order order) => order.Status switch
    {
        OrderStatus.Pending or OrderStatus.Void => [],
        OrderStatus.Confirmed => [new(order.Id, ConfirmedWord(order))],
        OrderStatus.Failed => order.Settled ? [] : [new(order.Id, FailedWord(order))],
    };

    private static OrderConfirmedEvent ConfirmedWord(Order order)
    {
        var confirmed = new OrderConfirmedEvent
        {
            OrderId = order.Id,
            Steps =
            {
                Order.Steps.Select(step => new StepStatus
                {
                    Step = step,
                    AfterMs = (long)(order[step].Heard!.Value - order.Placed).TotalMilliseconds,
                }),
            },
        };
        if (order.UserCouponId is { } coupon) confirmed.UserCouponId = coupon;
        return confirmed;
    }

    private static OrderFailedEvent FailedWord(Order order)
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

    private static Order Note(Order order, Moment at, string name, string detail, OrderStatus? status = null) => order with
    {
        Status = status ?? order.Status,
        Timeline = order.Timeline.Add(new(at.Now, name, detail, status ?? order.Status, at.TraceId == order.Timeline.FirstOrDefault()?.TraceId ? null : at.TraceId)),
    };

    private static Order Known(Order? order) => order is null or { Status: OrderStatus.Void }
        ? throw new UnprocessableEventException("There is no such order.")
        : order;

    private static UnprocessableEventException Contradiction(Order order, Step step, string heard) => new(
        $"{Name(step)} says that its step of order {order.Id} is {heard}, but the order is {order.Status} and the step {order[step].State}.");
}
