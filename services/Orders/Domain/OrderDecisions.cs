using Shop.V1;

namespace Orders;

/// <summary>
/// The decisions of Orders: from a stored order and an event to the next state and the events to publish. Pure, and idempotent: a duplicate
/// changes nothing, and a duplicate answer publishes the event of a final order again, since the first delivery may have crashed before it published.
/// </summary>
/// <remarks>A line with "mutant: name" is broken on purpose by the mutation test of that name (tests/README.md).</remarks>
internal static class OrderDecisions
{
    /// <summary>Places an order, once.</summary>
    /// <param name="stored">The document under its id. One placed by another request stays, and nothing is published.</param>
    /// <param name="seenTombstone">The tombstone that the caller read before it tracked the id again. Any other tombstone is younger: a sweep has
    /// given the id up since, and would not find an order placed over it. Null: the caller has seen none.</param>
    public static Decision<Order> Place(Order? stored, Order placed, Order? seenTombstone) => stored switch
    {
        null => new(placed, Created(placed)),
        { Status: OrderStatus.Abandoned } => stored.Placed == seenTombstone?.Placed ? new(placed, Created(placed)) : new(stored),
        { Status: OrderStatus.Pending } when stored.Content == placed.Content => new(stored, Created(stored)),
        { Status: OrderStatus.Pending or OrderStatus.Confirmed or OrderStatus.Failed } => new(stored),
    };

    /// <summary>A participant has completed its step.</summary>
    public static Decision<Order> StepSucceeded(Order? stored, Step step, string reference, DecisionContext at)
    {
        var order = Require(stored);
        var before = order[step];
        switch (before.State)
        {
            case StepState.Done or StepState.Undone when before.AnsweredAt is not null:
                return new(order, FinalEvent(order)); // a duplicate
            case StepState.Refused or StepState.Skipped:
                throw Contradiction(order, step, "done");
            case StepState.Waiting or StepState.Done or StepState.Undone: // the first answer; Undone without one when the compensation has overtaken it
                break;
        }
        var state = before.State == StepState.Undone ? StepState.Undone : StepState.Done;
        var done = Append(
            order.With(step, before with { State = state, Reference = reference, AnsweredAt = at.Now }), at,
            GetSuccessTopic(step), $"{Name(step)} has done its part.");
        return order.Status switch
        {
            OrderStatus.Pending => Order.Steps.All(other => done[other].State == StepState.Done) ? Confirm(done, at) : new(done),
            // A late success does not revive the order: the participant compensates it on the order-failed that was published.
            OrderStatus.Failed => new(done), // mutant: late-success-revives
            OrderStatus.Confirmed or OrderStatus.Abandoned => throw Contradiction(order, step, "done"),
        };
    }

    /// <summary>Payments has charged the order.</summary>
    /// <param name="amount">Won.</param>
    /// <exception cref="UnprocessableEventException">Another amount than the order costs: it was not charged for this order.</exception>
    public static Decision<Order> PaymentCompleted(Order? stored, string paymentId, long amount, DecisionContext at)
    {
        var order = Require(stored);
        return amount == order.Amounts.Final ? StepSucceeded(order, Step.Payment, paymentId, at) : throw new UnprocessableEventException(
            $"Payments says that {amount} won were charged for order {order.Id}, which costs {order.Amounts.Final}.");
    }

    /// <summary>Coupons has used the coupon of the order.</summary>
    /// <exception cref="UnprocessableEventException">The order has another coupon, or none.</exception>
    public static Decision<Order> CouponUsed(Order? stored, string couponId, DecisionContext at)
    {
        var order = Require(stored);
        return couponId == order.UserCouponId ? StepSucceeded(order, Step.Coupon, couponId, at) : throw new UnprocessableEventException(
            $"Coupons says that coupon '{couponId}' was used for order {order.Id}, which has {(order.UserCouponId is { } own ? $"'{own}'" : "none")}.");
    }

    /// <summary>A participant has rejected its step; the order fails.</summary>
    public static Decision<Order> StepFailed(Order? stored, Step step, FailureReason reason, DecisionContext at)
    {
        var order = Require(stored);
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
        var isTooLate = reason.Reason == FailureReason.OrderAlreadyFailed.Reason;
        var record = before with { State = isTooLate ? StepState.Skipped : StepState.Refused, Rejection = isTooLate ? null : reason, AnsweredAt = at.Now };
        var refused = Append(order.With(step, record), at, GetFailureTopic(step), reason.Detail);
        return order.Status switch
        {
            OrderStatus.Pending => Fail(refused, reason, at),
            OrderStatus.Failed => new(refused),
            OrderStatus.Confirmed or OrderStatus.Abandoned => throw Contradiction(order, step, "refused"),
        };
    }

    /// <summary>A participant has compensated a failed order.</summary>
    /// <param name="undone">False: there was nothing to undo.</param>
    public static Decision<Order> StepCompensated(Order? stored, Step step, bool undone, DecisionContext at)
    {
        var order = Require(stored);
        if (order.Status != OrderStatus.Failed) throw Contradiction(order, step, "undone");
        var before = order[step];
        if (before.Compensated) return new(order); // a duplicate
        var after = before with
        {
            Compensated = true,
            State = undone ? StepState.Undone : before.State == StepState.Waiting ? StepState.Skipped : before.State,
        };
        return new(Append(order.With(step, after), at, GetCompensationTopic(step),
            undone ? $"{Name(step)} has undone its part." : $"{Name(step)} had nothing to undo."));
    }

    /// <summary>A client cancels the order. A final one stays as it is.</summary>
    public static Decision<Order> Cancel(Order? stored, string comment, DecisionContext at)
    {
        var order = Require(stored);
        return order.Status == OrderStatus.Pending
            ? Fail(order, new("CANCELLED", comment.Length > 0 ? comment : "The order was cancelled."), at)
            : new(order, FinalEvent(order));
    }

    /// <summary>
    /// A sweep visits an open order: it fails at its deadline, and after <see cref="SagaTimeouts.ResendAfter"/> without a change its last
    /// event is resent.
    /// </summary>
    public static Decision<Order> OnSweep(Order? stored, SagaTimeouts timeouts, DecisionContext at)
    {
        var order = Require(stored);
        var isDue = at.GetAge(order.LastChange) >= timeouts.ResendAfter;
        return order.Status switch
        {
            OrderStatus.Pending when at.GetAge(order.Placed) >= timeouts.Deadline => Fail(order, new("DEADLINE",
                $"Not every participant had answered {timeouts.Deadline.TotalSeconds:0} s after placing: "
                    + $"{string.Join(", ", PendingSteps(order).Select(Name))}."), at),
            OrderStatus.Pending => isDue ? new(order, Created(order)) : new(order),
            OrderStatus.Failed when !order.IsClosed => isDue ? new(order, FinalEvent(order)) : new(order), // mutant: order-failed-not-resent
            OrderStatus.Confirmed or OrderStatus.Failed or OrderStatus.Abandoned => new(order),
        };
    }

    /// <summary>The steps that an open order waits for: their answer, or once it has failed their compensation.</summary>
    public static IEnumerable<Step> PendingSteps(Order order) => Order.Steps.Where(step => order.Status == OrderStatus.Failed
        ? !order[step].Compensated
        : order[step].State == StepState.Waiting);

    public static string Name(Step step) => step switch
    {
        Step.Stock => "Stock",
        Step.Payment => "Payments",
        Step.Coupon => "Coupons",
    };

    /// <summary>The topic on which a participant reports success; the next two: failure, and compensation.</summary>
    public static string GetSuccessTopic(Step step) => OutgoingEvent.GetTopic(step switch
    {
        Step.Stock => nameof(StockReservedEvent),
        Step.Payment => nameof(PaymentCompletedEvent),
        Step.Coupon => nameof(CouponUsedEvent),
    });

    public static string GetFailureTopic(Step step) => OutgoingEvent.GetTopic(step switch
    {
        Step.Stock => nameof(StockReservationFailedEvent),
        Step.Payment => nameof(PaymentFailedEvent),
        Step.Coupon => nameof(CouponUsageFailedEvent),
    });

    public static string GetCompensationTopic(Step step) => OutgoingEvent.GetTopic(step switch
    {
        Step.Stock => nameof(StockReleasedEvent),
        Step.Payment => nameof(PaymentRefundedEvent),
        Step.Coupon => nameof(CouponRestoredEvent),
    });

    public static Shop.V1.Step ToWire(Step step) => step switch
    {
        Step.Stock => Shop.V1.Step.Stock,
        Step.Payment => Shop.V1.Step.Payment,
        Step.Coupon => Shop.V1.Step.Coupon,
    };

    public static OutgoingEvent Created(Order order)
    {
        var created = new OrderCreatedEvent
        {
            OrderId = order.Id,
            UserId = order.UserId,
            Items = { order.Items.Select(ToLine) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
        };
        if (order.UserCouponId is { } coupon) created.UserCouponId = coupon;
        return new(order.Id, created);
    }

    public static OrderLine ToLine(Item item) => new() { ProductId = item.ProductId, Quantity = item.Quantity, UnitPrice = item.UnitPrice };

    private static Decision<Order> Confirm(Order order, DecisionContext at)
    {
        var confirmed = Append(order, at, "order-confirmed", "Every participant has done its part.", OrderStatus.Confirmed);
        return new(confirmed, FinalEvent(confirmed));
    }

    private static Decision<Order> Fail(Order order, FailureReason reason, DecisionContext at)
    {
        var failed = Append(order with { Failure = reason }, at, "order-failed", reason.Detail, OrderStatus.Failed);
        return new(failed, FinalEvent(failed));
    }

    /// <summary>
    /// The event of a final order, to whose completed steps a late answer may have been added. None while it is pending, nor once every participant
    /// has compensated.
    /// </summary>
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
            UserId = order.UserId,
            Items = { order.Items.Select(ToLine) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
            Steps =
            {
                Order.Steps.Select(step => new StepStatus
                {
                    Step = ToWire(step),
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
            Items = { order.Items.Select(ToLine) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
            Reason = order.Failure!.Reason,
            Detail = order.Failure.Detail,
            CompletedSteps = { Order.Steps.Where(step => order[step].State is StepState.Done or StepState.Undone).Select(ToWire) },
        };
        if (order.UserCouponId is { } coupon) failed.UserCouponId = coupon;
        return failed;
    }

    private static Order Append(Order order, DecisionContext at, string name, string detail, OrderStatus? status = null) => order with
    {
        Status = status ?? order.Status,
        Timeline = order.Timeline.Add(new(at.Now, name, detail, status ?? order.Status,
            at.TraceId == order.Timeline.FirstOrDefault()?.TraceId ? null : at.TraceId)),
    };

    private static Order Require(Order? order) => order is null or { Status: OrderStatus.Abandoned }
        ? throw new UnprocessableEventException("There is no such order.")
        : order;

    private static UnprocessableEventException Contradiction(Order order, Step step, string claimed) => new(
        $"{Name(step)} says that its step of order {order.Id} is {claimed}, but the order is {order.Status} and the step {order[step].State}.");
}
