using System.Collections.Immutable;
using Orders;
using Shop.V1;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests;

/// <summary>Every decision of Orders in every reachable state, by a walk from a placed order over all events.</summary>
public sealed class OrderDecisionsTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SagaTimeouts SagaTimeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));

    /// <summary>The order is of a time before the fourth.</summary>
    private static readonly SagaSteps Steps = new(SagaSteps.Default.All.Add(Step.Of("points")));

    private static readonly (string Name, Func<Order, Decision<Order>> Decide)[] Everything =
    [
        .. Steps.All.SelectMany(step => new (string, Func<Order, Decision<Order>>)[]
        {
            ($"{step.Name} done", order => OrderDecisions.StepSucceeded(order, step, "ref", At(1))),
            ($"{step.Name} refused", order => OrderDecisions.StepFailed(order, step, new("NO", "No."), At(1))),
            ($"{step.Name} refused, too late", order => OrderDecisions.StepFailed(order, step, FailureReason.OrderAlreadyFailed, At(1))),
            ($"{step.Name} undone", order => OrderDecisions.StepCompensated(order, step, true, At(1))),
            ($"{step.Name} had nothing to undo", order => OrderDecisions.StepCompensated(order, step, false, At(1))),
        }),
        ("cancel", order => OrderDecisions.Cancel(order, "", At(1))),
        ("a while later", order => OrderDecisions.OnSweep(order, Steps, SagaTimeouts, At(10))),
        ("the deadline", order => OrderDecisions.OnSweep(order, Steps, SagaTimeouts, At(100))),
    ];

    private static readonly IReadOnlyList<Order> Reachable = Walk();

    [Fact]
    public void All_reachable_states_are_walked()
    {
        Assert.InRange(Reachable.Count, 100, 10_000);
        Assert.Contains(Reachable, order => order.Status == OrderStatus.Confirmed);
        Assert.Contains(Reachable, order => order is { Status: OrderStatus.Failed, IsClosed: true });
        Assert.Contains(Reachable, order => order is { Status: OrderStatus.Failed, IsClosed: false });
    }

    [Theory, InlineData(1), InlineData(-1), InlineData(-1_000_000)]
    public void Another_amount_than_the_order_costs_pays_no_order(long difference) => Assert.All(Reachable, order => Assert.Contains(
        "which costs",
        Assert.Throws<UnprocessableEventException>(
            () => OrderDecisions.PaymentCompleted(order, "pay-1", order.Amounts.Final + difference, At(1))).Message));

    [Fact]
    public void Another_coupon_than_its_own_is_used_for_no_order() => Assert.All(Reachable, order => Assert.Contains(
        "which has",
        Assert.Throws<UnprocessableEventException>(() => OrderDecisions.CouponUsed(order, $"{order.UserCouponId}x", At(1))).Message));

    [Fact]
    public void The_amount_and_the_coupon_of_the_order_count_as_success()
    {
        var placed = Placed();
        Assert.Equal(StepState.Done, OrderDecisions.PaymentCompleted(placed, "pay-1", placed.Amounts.Final, At(1)).State![Step.Payment]!.State);
        Assert.Equal(StepState.Done, OrderDecisions.CouponUsed(placed, placed.UserCouponId!, At(1)).State![Step.Coupon]!.State);
    }

    [Fact]
    public void A_duplicate_changes_nothing() => Everywhere((order, decide) =>
    {
        var once = decide(order).State!;
        Assert.Same(once, decide(once).State);
    });

    [Fact]
    public void A_duplicate_publishes_the_same_events() => Everywhere((order, decide) =>
    {
        var once = decide(order);
        // The sweep is not redelivered, and a duplicate of a compensation must not be answered by an order-failed, which it would be the answer to.
        var again = once.State!.Failure?.Reason is "DEADLINE" or "STEP_UNDONE"
            ? OrderDecisions.OnSweep(once.State, Steps, SagaTimeouts, At(200)) : decide(once.State);
        foreach (var e in once.Events) Assert.Contains(again.Events, repeated => repeated.Id == e.Id);
    });

    [Fact]
    public void A_final_status_never_changes() => Everywhere((order, decide) =>
    {
        var after = decide(order).State!;
        if (order.Status != OrderStatus.Pending) Assert.Equal(order.Status, after.Status);
        Assert.Equal(order.FinalAt is null ? after.FinalAt : order.FinalAt, after.FinalAt);
    });

    [Fact]
    public void Only_changes_are_written_and_each_is_in_the_timeline() => Everywhere((order, decide) =>
    {
        var after = decide(order).State!;
        if (ReferenceEquals(order, after)) return;
        Assert.InRange(after.Timeline.Length, order.Timeline.Length + 1, order.Timeline.Length + 2);
        Assert.Equal(order.Timeline.AsEnumerable(), after.Timeline.Take(order.Timeline.Length));
    });

    [Fact]
    public void Confirmed_means_that_every_step_succeeded() => Assert.All(
        Reachable.Where(order => order.Status == OrderStatus.Confirmed),
        order => Assert.All(order.Steps, step => Assert.Equal(StepState.Done, step.State)));

    [Fact]
    public void A_failed_order_has_a_reason() => Assert.All(
        Reachable.Where(order => order.Status == OrderStatus.Failed), order => Assert.NotEmpty(order.Failure!.Reason));

    [Fact]
    public void A_failed_order_is_closed_once_every_participant_has_compensated() => Assert.All(
        Reachable.Where(order => order is { Status: OrderStatus.Failed, IsClosed: true }),
        order => Assert.Empty(OrderDecisions.PendingSteps(order)));

    [Fact]
    public void The_last_event_of_an_open_order_is_resent()
    {
        foreach (var order in Reachable.Where(order => !order.IsClosed))
        {
            var e = Assert.Single(OrderDecisions.OnSweep(order, Steps, SagaTimeouts, At(20)).Events);
            Assert.Equal(order.Status == OrderStatus.Pending ? "order-created" : "order-failed", e.Topic);
        }
    }

    [Fact]
    public void At_the_deadline_a_pending_order_fails()
    {
        foreach (var order in Reachable.Where(order => order.Status == OrderStatus.Pending))
        {
            var failed = OrderDecisions.OnSweep(order, Steps, SagaTimeouts, At(60)).State!;
            Assert.Equal((OrderStatus.Failed, "DEADLINE"), (failed.Status, failed.Failure!.Reason));
        }
    }

    [Fact]
    public void A_late_success_is_recorded_and_does_not_revive_the_order()
    {
        var failed = OrderDecisions.StepFailed(Placed(), Step.Stock, new("OUT_OF_STOCK", "None."), At(1)).State!;
        var late = OrderDecisions.StepSucceeded(failed, Step.Payment, "pay-1", At(2)).State!;
        Assert.Equal((OrderStatus.Failed, StepState.Done, false), (late.Status, late[Orders.Step.Payment]!.State, late.IsClosed));
        var undone = OrderDecisions.StepCompensated(late, Step.Payment, true, At(3)).State!;
        Assert.Equal((StepState.Undone, "pay-1"), (undone[Orders.Step.Payment]!.State, undone[Orders.Step.Payment]!.Reference));
    }

    [Fact]
    public void A_compensation_before_its_success_is_recorded()
    {
        var failed = OrderDecisions.Cancel(Placed(), "", At(1)).State!;
        var undone = OrderDecisions.StepCompensated(failed, Step.Stock, true, At(2)).State!;
        var late = OrderDecisions.StepSucceeded(undone, Step.Stock, "rsv-1", At(3)).State!;
        Assert.Equal((StepState.Undone, true, "rsv-1"), (late[Orders.Step.Stock]!.State, late[Orders.Step.Stock]!.Compensated, late[Orders.Step.Stock]!.Reference));
    }

    [Fact]
    public void Two_failures_fail_the_order_once()
    {
        var first = OrderDecisions.StepFailed(Placed(), Step.Stock, new("OUT_OF_STOCK", "None."), At(1));
        var second = OrderDecisions.StepFailed(first.State, Step.Payment, new("BALANCE_TOO_LOW", "Poor."), At(2));
        Assert.Single(first.Events);
        Assert.Empty(second.Events);
        Assert.Equal("OUT_OF_STOCK", second.State!.Failure!.Reason);
        Assert.Single(second.State.Timeline, entry => entry.Event == "order-failed");
    }

    [Fact]
    public void Order_failed_names_the_completed_steps()
    {
        var paid = OrderDecisions.StepSucceeded(Placed(), Step.Payment, "pay-1", At(1)).State!;
        var failed = OrderDecisions.StepFailed(paid, Step.Stock, new("OUT_OF_STOCK", "None."), At(2));
        var e = Assert.IsType<OrderFailedEvent>(Assert.Single(failed.Events).Message);
        Assert.Equal([Shop.V1.Step.Payment, Shop.V1.Step.Coupon], e.CompletedSteps);
    }

    [Fact]
    public void An_order_without_a_coupon_does_not_wait_for_Coupons()
    {
        Assert.Equal([Step.Stock, Step.Payment], OrderDecisions.PendingSteps(Placed()));
        var reserved = OrderDecisions.StepSucceeded(Placed(), Step.Stock, "rsv-1", At(1)).State;
        var confirmed = OrderDecisions.StepSucceeded(reserved, Step.Payment, "pay-1", At(2));
        Assert.Equal(OrderStatus.Confirmed, confirmed.State!.Status);
        Assert.Equal([1000, 2000, 0], Assert.IsType<OrderConfirmedEvent>(Assert.Single(confirmed.Events).Message).Steps.Select(step => step.AfterMs));
    }

    [Fact]
    public void Placing_again_publishes_again_and_placing_another_under_the_id_publishes_nothing()
    {
        var placed = Placed();
        Assert.Equal("order-created", Assert.Single(PlacingDecisions.Place(placed, placed, null).Events).Topic);
        var other = PlacingDecisions.Place(placed, placed with { Content = "other" }, null);
        Assert.Same(placed, other.State);
        Assert.Empty(other.Events);
    }

    [Fact]
    public void Only_a_caller_that_tracked_the_id_since_replaces_a_tombstone()
    {
        var given = Placed() with { Status = OrderStatus.Abandoned, Placed = Start.AddSeconds(60) };
        Assert.Same(given, PlacingDecisions.Place(given, Placed(), null).State);
        Assert.Same(given, PlacingDecisions.Place(given, Placed(), given with { Placed = Start }).State);
        Assert.Equal(OrderStatus.Pending, PlacingDecisions.Place(given, Placed(), given).State!.Status);
    }

    [Fact]
    public void A_contradicting_participant_is_rejected()
    {
        var done = OrderDecisions.StepSucceeded(Placed(), Step.Stock, "rsv-1", At(1)).State!;
        Assert.Throws<UnprocessableEventException>(() => OrderDecisions.StepFailed(done, Step.Stock, new("NO", "No."), At(2)));
        var confirmed = OrderDecisions.StepSucceeded(
            OrderDecisions.StepSucceeded(done, Step.Payment, "pay-1", At(2)).State!, Step.Coupon, "coupon-1", At(2)).State!;
        Assert.Equal(OrderStatus.Confirmed, confirmed.Status);
        Assert.Throws<UnprocessableEventException>(() => OrderDecisions.StepCompensated(confirmed, Step.Stock, true, At(3)));
        Assert.Throws<UnprocessableEventException>(() => OrderDecisions.StepCompensated(done, Step.Of("points"), true, At(3)));
        Assert.Throws<UnprocessableEventException>(() => OrderDecisions.StepSucceeded(null, Step.Stock, "rsv-1", At(2)));
    }

    [Fact]
    public void A_compensation_of_a_step_that_the_order_does_not_need_does_not_fail_it()
    {
        var placed = Placed() with { Steps = SagaSteps.Default.For(null, Start), UserCouponId = null };
        Assert.Throws<UnprocessableEventException>(() => OrderDecisions.StepCompensated(placed, Step.Coupon, false, At(1)));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_pending_order_that_a_participant_has_compensated_fails(bool undone)
    {
        var before = undone ? OrderDecisions.StepSucceeded(Placed(), Step.Stock, "rsv-1", At(1)).State! : Placed();
        var decision = OrderDecisions.StepCompensated(before, Step.Stock, undone, At(2));
        var failed = decision.State!;
        Assert.Equal((OrderStatus.Failed, "STEP_UNDONE", false), (failed.Status, failed.Failure!.Reason, failed.IsClosed));
        Assert.Equal((undone ? StepState.Undone : StepState.Skipped, true), (failed[Step.Stock]!.State, failed[Step.Stock]!.Compensated));
        Assert.IsType<OrderFailedEvent>(Assert.Single(decision.Events).Message);
        Assert.Empty(OrderDecisions.StepCompensated(failed, Step.Stock, undone, At(3)).Events);
    }

    [Theory]
    [InlineData(10, "STEP_REMOVED", "order-failed")]
    [InlineData(0, null, "order-confirmed")]
    public void An_order_whose_discount_no_coupon_was_used_for_fails_when_Coupons_is_removed(long discount, string? reason, string published)
    {
        var placed = Placed() with { UserCouponId = "c", Amounts = new(100, discount, 100 - discount), Steps = SagaSteps.Default.For("c", Start) };
        var waiting = OrderDecisions.StepSucceeded(
            OrderDecisions.StepSucceeded(placed, Step.Stock, "rsv-1", At(1)).State!, Step.Payment, "pay-1", At(2)).State!;
        var decision = OrderDecisions.OnSweep(waiting, SagaSteps.Of(["stock", "payments"]), SagaTimeouts, At(3));
        Assert.Equal(reason, decision.State!.Failure?.Reason);
        Assert.Equal(published, Assert.Single(decision.Events).Topic);
    }

    [Fact]
    public void Every_open_order_explains_what_it_waits_for()
    {
        foreach (var order in Reachable)
        {
            var explanation = Explanation.Of(order, SagaSteps.Default, SagaTimeouts, Start.AddSeconds(7), _ => null);
            Assert.Equal(OrderDecisions.PendingSteps(order).Count(), order.IsClosed ? 0 : explanation.WaitsFor.Count);
            Assert.NotEmpty(explanation.Next);
        }
    }

    private static void Everywhere(Action<Order, Func<Order, Decision<Order>>> check)
    {
        var checks = 0;
        foreach (var order in Reachable)
        {
            foreach (var (name, decide) in Everything)
            {
                if (IsContradiction(order, decide)) continue;
                checks++;
                try
                {
                    check(order, decide);
                }
                catch (Exception failure)
                {
                    throw new InvalidOperationException($"{name}, when the order is {Shown(order)}", failure);
                }
            }
        }
        Assert.True(checks > Reachable.Count);
    }

    private static bool IsContradiction(Order order, Func<Order, Decision<Order>> decide)
    {
        try
        {
            decide(order);
            return false;
        }
        catch (UnprocessableEventException)
        {
            return true;
        }
    }

    [Fact]
    public void Every_reachable_order_keeps_the_invariants_of_its_document() =>
        Assert.All(Reachable, order => Assert.Null(order.FindProblem(Order.KeyOf(order.Id))));

    [Theory]
    [InlineData(long.MinValue, 0, 0)]
    [InlineData(100, long.MinValue, 100)]
    [InlineData(100, long.MaxValue, 100)]
    [InlineData(long.MinValue, long.MaxValue, long.MaxValue)]
    [InlineData(100, 200, -100)]
    [InlineData(100, 10, 100)]
    public void Stored_amounts_that_do_not_add_up_are_a_problem_of_the_document(long total, long discount, long final)
    {
        var order = Placed() with { Amounts = new(total, discount, final) };
        Assert.Equal("its amounts do not add up", order.FindProblem(Order.KeyOf(order.Id)));
    }

    private static List<Order> Walk()
    {
        List<Order> found = [];
        HashSet<string> seen = [];
        Queue<Order> next = new([Placed(), Placed() with { UserCouponId = "c", Steps = SagaSteps.Default.For("c", Start) }]);
        while (next.TryDequeue(out var order))
        {
            if (!seen.Add(Shown(order))) continue;
            found.Add(order);
            foreach (var (_, decide) in Everything)
            {
                if (!IsContradiction(order, decide)) next.Enqueue(decide(order).State!);
            }
        }
        return found;
    }

    // Times and the timeline's length make no new state.
    private static string Shown(Order order) => $"{order.Status} {order.UserCouponId} " + string.Join(' ', order.Steps.Select(step =>
        $"{step.Name} {step.State}{(step.Compensated ? "+compensated" : "")}{(step.AnsweredAt is null ? "" : "+answered")}"));

    private static Order Placed() => new("0198c0de-0000-7000-8000-000000000001", "u", OrderStatus.Pending, [new("p", 1, 100)], new(100, 0, 100), null,
        new("", "", ""), "content", null, Start,
        [new(Start, "order-created", "", OrderStatus.Pending, null)], SagaSteps.Default.For(null, Start));

    private static DecisionContext At(int seconds) => new(Start.AddSeconds(seconds), null);
}
