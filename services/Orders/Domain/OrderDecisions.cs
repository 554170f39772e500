using Shop.V1;

namespace Orders;

/// <summary>
/// The decisions of Orders: from a stored order and an event to the next state and the events to publish. Pure, and idempotent: a duplicate
/// changes nothing, and a duplicate success or failure publishes the event of a final order again, since the first delivery may have crashed before it
/// published.
/// </summary>
/// <remarks>A line with "mutant: name" is broken on purpose by the mutation test of that name (tests/README.md).</remarks>
internal static class OrderDecisions
{
    /// <summary>In the timeline, in place of an event.</summary>
    private const string StepRemoved = "step-removed";

    /// <summary>The reason of an order that fails because a participant has compensated it.</summary>
    public const string StepUndone = "STEP_UNDONE";

    /// <summary>An order whose participants answer by events. Those of an orchestrated one answer calls, and publish nothing for it.</summary>
    /// <exception cref="UnprocessableEventException">The order is orchestrated: the event is not a participant's.</exception>
    public static Order? AnsweredByEvents(Order? stored) => stored is { Pattern: SagaPattern.Orchestration }
        ? throw new UnprocessableEventException($"Order {stored.Id} is orchestrated: its participants answer calls, and publish no event for it.")
        : stored;

    /// <summary>A participant has completed its step.</summary>
    public static Decision<Order> StepSucceeded(Order? stored, Step step, string reference, DecisionContext at)
    {
        var order = Require(stored);
        // The order does not wait for this step. A closed one stays as it is; to another the answer is added, so that it also waits for its compensation.
        if (order[step] is null && (order.Status == OrderStatus.Confirmed || order.IsClosed)) return new(order, FinalEvent(order));
        var before = order[step] ?? StepRecord.Waiting(step);
        switch (before.State)
        {
            case StepState.Done or StepState.Undone when before.AnsweredAt is not null:
                return new(order, FinalEvent(order)); // a duplicate
            case StepState.Skipped when order.Status != OrderStatus.Failed || HasRemovedStep(order):
                return new(order, FinalEvent(order)); // removed from the saga, and not waited for
            case StepState.Refused or StepState.Skipped:
                throw Contradiction(order, step, "done");
            case StepState.Waiting or StepState.Done or StepState.Undone: // the first answer; Undone without one when the compensation has overtaken it
                break;
        }
        var state = before.State == StepState.Undone ? StepState.Undone : StepState.Done;
        var done = Append(
            order.With(before with { State = state, Reference = reference, AnsweredAt = at.Now }), at,
            step.SuccessTopic, $"{step.Participant} has done its part.");
        return order.Status switch
        {
            OrderStatus.Pending => done.IsComplete ? Confirm(done, at) : new(done),
            // A late success does not revive the order: the participant compensates it on order-failed, which is resent until it has.
            OrderStatus.Failed => new(done), // mutant: late-success-revives
            OrderStatus.Confirmed or OrderStatus.Abandoned => throw Contradiction(order, step, "done"),
        };
    }

    /// <summary>Payments holds the price of the order.</summary>
    /// <param name="amount">Won.</param>
    /// <exception cref="UnprocessableEventException">Another amount than the order costs: it is not held for this order.</exception>
    public static Decision<Order> PaymentCompleted(Order? stored, string paymentId, long amount, DecisionContext at)
    {
        var order = Require(stored);
        return amount == order.Amounts.Final ? StepSucceeded(order, Step.Payment, paymentId, at) : throw new UnprocessableEventException(
            $"Payments says that {amount} won were charged for order {order.Id}, which costs {order.Amounts.Final}.");
    }

    /// <summary>Coupons holds the coupon of the order.</summary>
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
        if (order[step] is not { } before) return new(order, FinalEvent(order)); // the order does not need this step
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
        var refused = Append(order.With(record), at, step.FailureTopic, reason.Detail);
        return order.Status switch
        {
            OrderStatus.Pending => Fail(refused, reason, at),
            OrderStatus.Failed => new(refused),
            OrderStatus.Confirmed or OrderStatus.Abandoned => throw Contradiction(order, step, "refused"),
        };
    }

    /// <summary>
    /// A participant has compensated a failed order. A pending one fails: the participant holds nothing for it any more. It has met an
    /// order-failed that Orders has not published, or that the store has lost.
    /// </summary>
    /// <param name="undone">False: there was nothing to undo.</param>
    public static Decision<Order> StepCompensated(Order? stored, Step step, bool undone, DecisionContext at)
    {
        var order = Require(stored);
        // A step that a pending order does not need holds nothing for it.
        if (order.Status != OrderStatus.Failed && (order.Status != OrderStatus.Pending || order[step] is null or { State: StepState.Done, Reference: null }))
        {
            throw Contradiction(order, step, "undone");
        }
        if (order[step] is not { Compensated: false } before) return new(order); // a duplicate, or of a step that the order does not need
        var after = before with
        {
            Compensated = true,
            State = undone ? StepState.Undone : before.State == StepState.Waiting ? StepState.Skipped : before.State,
        };
        var compensated = Append(order.With(after), at, step.CompensationTopic,
            undone ? $"{step.Participant} has undone its part." : $"{step.Participant} had nothing to undo.");
        return order.Status == OrderStatus.Failed ? new(compensated) : Fail(compensated, new(StepUndone,
            $"{step.Participant} was told that the order had failed, by an order-failed that is not one of its changes."), at);
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
    /// event is resent. A step that is not part of the saga any more is not waited for.
    /// </summary>
    public static Decision<Order> OnSweep(Order? stored, SagaSteps steps, SagaTimeouts timeouts, DecisionContext at)
    {
        var order = Require(stored);
        if (RemovedSteps(order, steps).ToArray() is { Length: > 0 } removed)
        {
            var left = removed.Aggregate(order, (before, step) => Remove(before, step, at));
            // Its discount is given for the coupon.
            if (left.Status == OrderStatus.Pending && left.Amounts.Discount > 0 && removed.Contains(Step.Coupon))
            {
                return Fail(left, new("STEP_REMOVED", $"{Step.Coupon.Participant} is not part of the saga any more, and has not used the coupon of the discount."), at);
            }
            return left is { Status: OrderStatus.Pending, IsComplete: true } ? Confirm(left, at) : new(left);
        }
        var isDue = IsDue(order, timeouts, at);
        return order.Status switch
        {
            OrderStatus.Pending when at.GetAge(order.Placed) >= timeouts.GetDeadline(order.Pattern) => Expire(order, timeouts, at),
            OrderStatus.Pending => isDue ? new(order, PlacingDecisions.CreatedEvent(order)) : new(order),
            OrderStatus.Failed when !order.IsClosed => isDue ? new(order, FinalEvent(order)) : new(order), // mutant: order-failed-not-resent
            OrderStatus.Confirmed or OrderStatus.Failed or OrderStatus.Abandoned => new(order),
        };
    }

    /// <summary>The deadline of an order has passed. One that is final stays as it is.</summary>
    public static Decision<Order> Expire(Order? stored, SagaTimeouts timeouts, DecisionContext at)
    {
        var order = Require(stored);
        return order.Status != OrderStatus.Pending ? new(order) : Fail(order, new("DEADLINE",
            $"Not every participant had answered {timeouts.GetDeadline(order.Pattern).TotalSeconds:0} s after placing: "
                + $"{string.Join(", ", PendingSteps(order).Select(step => step.Participant))}."), at);
    }

    /// <summary>The order has not changed for so long that its last event is resent, or its last call made again.</summary>
    public static bool IsDue(Order order, SagaTimeouts timeouts, DecisionContext at) => at.GetAge(order.LastChange) >= timeouts.ResendAfter;

    /// <summary>The steps that an open order waits for: their answer, or once it has failed their compensation.</summary>
    public static IEnumerable<Step> PendingSteps(Order order) => order.Steps
        .Where(step => order.Status == OrderStatus.Failed ? !step.Compensated : step.State == StepState.Waiting)
        .Select(step => step.Step);

    /// <summary>Those of them that are not part of the saga any more.</summary>
    public static IEnumerable<Step> RemovedSteps(Order order, SagaSteps steps) => PendingSteps(order).Where(step => !steps.All.Contains(step));

    public static OrderFailedEvent ToFailedEvent(Order order)
    {
        Step[] completed = [.. order.Steps.Where(step => step.State is StepState.Done or StepState.Undone).Select(step => step.Step)];
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
            CompletedSteps = { completed.Where(step => !step.HasSharedEvents).Select(step => step.Contract) },
            CompletedStepNames = { completed.Select(step => step.Name) },
            Steps = { order.Steps.Select(step => step.Step.Name) },
        };
        if (order.UserCouponId is { } coupon) failed.UserCouponId = coupon;
        return failed;
    }

    public static OrderLine ToLine(Item item) => new() { ProductId = item.ProductId, Quantity = item.Quantity, UnitPrice = item.UnitPrice };

    private static bool HasRemovedStep(Order order) => order.Timeline.Any(entry => entry.Event == StepRemoved);

    private static Order Remove(Order order, Step step, DecisionContext at)
    {
        var before = order[step]!;
        return Append(order.With(before with { State = before.State == StepState.Waiting ? StepState.Skipped : before.State, Compensated = true }), at,
            StepRemoved, $"{step.Participant} is not part of the saga any more, and is not waited for.");
    }

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
    /// has compensated, nor for the compensation of an orchestrated one, which calls them.
    /// </summary>
    private static OutgoingEvent[] FinalEvent(Order order) => order.Status switch
    {
        OrderStatus.Pending or OrderStatus.Abandoned => [],
        OrderStatus.Confirmed => [new(order.Id, ToConfirmedEvent(order))],
        OrderStatus.Failed => order.IsClosed || order.Pattern == SagaPattern.Orchestration ? [] : [new(order.Id, ToFailedEvent(order))],
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
                order.Steps.Where(step => step.State == StepState.Done).Select(step => ToStatus(step, order.Placed)),
            },
        };
        if (order.UserCouponId is { } coupon) confirmed.UserCouponId = coupon;
        return confirmed;
    }

    private static StepStatus ToStatus(StepRecord record, DateTimeOffset placed)
    {
        var status = new StepStatus { Name = record.Name, AfterMs = (long)(record.AnsweredAt!.Value - placed).TotalMilliseconds };
        if (!record.Step.HasSharedEvents) status.Step = record.Step.Contract;
        return status;
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
        $"{step.Participant} says that its step of order {order.Id} is {claimed}, but the order is {order.Status} and the step {order[step]?.State.ToString() ?? "absent"}.");
}
