using System.Text.Json;
using Orders;
using Shop.V1;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests;

/// <summary>The steps of an order are those of the configuration when it was placed, whether Orders has a name for them or not.</summary>
public sealed class StepsTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SagaTimeouts Timeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));
    private static readonly Step Points = Step.Of("points");
    private static readonly SagaSteps Four = SagaSteps.Of(["stock", "payments", "coupons", "points"]);

    [Fact]
    public void A_step_without_events_of_its_own_has_topics_with_its_name()
    {
        Assert.Equal(("points-succeeded", "points-failed", "points-compensated"), (Points.SuccessTopic, Points.FailureTopic, Points.CompensationTopic));
        Assert.Equal(("POINTS", "Points", true), (Points.Code, Points.Participant, Points.HasSharedEvents));
        OutgoingEvent answer = new("o", new StepSucceededEvent { OrderId = "o", Step = "points" }), failure = new("o", new StepFailedEvent { Step = "points" });
        Assert.Equal(("points-succeeded", "o/points-succeeded"), (answer.Topic, answer.Id));
        Assert.Equal("points-failed", failure.Topic);
    }

    [Fact]
    public void An_order_is_confirmed_when_every_configured_step_has_succeeded()
    {
        var three = Succeed(Placed(Four), Step.Stock, Step.Payment);
        Assert.Equal((OrderStatus.Pending, "points"), (three.Status, Assert.Single(OrderDecisions.PendingSteps(three)).Name));
        var confirmed = OrderDecisions.StepSucceeded(three, Points, "points-1", At(1));
        Assert.Equal(OrderStatus.Confirmed, confirmed.State!.Status);
        var e = Assert.IsType<OrderConfirmedEvent>(Assert.Single(confirmed.Events).Message);
        Assert.Equal(["stock", "payments", "coupons", "points"], e.Steps.Select(step => step.Name));
        Assert.False(e.Steps[3].HasStep);
    }

    [Fact]
    public void A_configured_step_fails_an_order_and_names_it()
    {
        var failed = OrderDecisions.StepFailed(Succeed(Placed(Four), Step.Stock), Points, new("TOO_MANY_POINTS", "There are too many."), At(1));
        Assert.Equal((OrderStatus.Failed, "TOO_MANY_POINTS"), (failed.State!.Status, failed.State.Failure!.Reason));
        var e = Assert.IsType<OrderFailedEvent>(Assert.Single(failed.Events).Message);
        Assert.Equal(["stock", "coupons"], e.CompletedStepNames);
        Assert.Contains("POINTS waiting", Explanation.GetCompensation(failed.State));
    }

    [Fact]
    public void An_order_of_before_a_step_was_added_does_not_wait_for_it_and_has_it_undone()
    {
        var answered = OrderDecisions.StepSucceeded(Placed(SagaSteps.Default), Points, "points-1", At(1)).State!;
        Assert.Equal(OrderStatus.Pending, answered.Status);
        Assert.Equal(OrderStatus.Confirmed, Succeed(answered, Step.Stock, Step.Payment).Status);
        var failed = OrderDecisions.Cancel(answered, "", At(2)).State!;
        foreach (var step in SagaSteps.Default.All) failed = OrderDecisions.StepCompensated(failed, step, true, At(3)).State!;
        Assert.False(failed.IsClosed);
        Assert.True(OrderDecisions.StepCompensated(failed, Points, true, At(4)).State!.IsClosed);
        // What it would not have needed does not fail it.
        Assert.Equal(OrderStatus.Pending, OrderDecisions.StepFailed(Placed(SagaSteps.Default), Points, new("NO", "No."), At(1)).State!.Status);
    }

    [Fact]
    public void A_pending_order_whose_last_step_was_removed_is_confirmed_by_the_sweep()
    {
        var waiting = Succeed(Placed(Four), Step.Stock, Step.Payment);
        var swept = OrderDecisions.OnSweep(waiting, SagaSteps.Default, Timeouts, At(6));
        Assert.Equal(OrderStatus.Confirmed, swept.State!.Status);
        Assert.Equal("order-confirmed", Assert.Single(swept.Events).Topic);
        Assert.Equal(StepState.Skipped, swept.State[Points]!.State);
        Assert.Null(swept.State.FindProblem(Order.KeyOf(swept.State.Id)));
        // It answers after all, to an instance of Orders with the old configuration.
        var late = OrderDecisions.StepSucceeded(swept.State, Points, "points-1", At(7));
        Assert.Same(swept.State, late.State);
        Assert.Equal("order-confirmed", Assert.Single(late.Events).Topic);
    }

    [Fact]
    public void A_removed_step_that_succeeds_after_the_order_failed_is_told_so_again()
    {
        var left = OrderDecisions.OnSweep(Placed(Four), SagaSteps.Default, Timeouts, At(6)).State!;
        Assert.Equal((OrderStatus.Pending, StepState.Skipped), (left.Status, left[Points]!.State));
        var failed = OrderDecisions.Cancel(left, "", At(7)).State!;
        var late = OrderDecisions.StepSucceeded(failed, Points, "points-1", At(8));
        Assert.Same(failed, late.State);
        Assert.Contains("points", Assert.IsType<OrderFailedEvent>(Assert.Single(late.Events).Message).Steps);
        // Once all others have compensated nothing is published: its sweep asks for the outcome.
        foreach (var step in SagaSteps.Default.All) failed = OrderDecisions.StepCompensated(failed, step, true, At(9)).State!;
        Assert.True(failed.IsClosed);
        Assert.Empty(OrderDecisions.StepSucceeded(failed, Points, "points-1", At(10)).Events);
    }

    [Fact]
    public void A_failed_order_is_closed_without_the_compensation_of_a_step_that_was_removed()
    {
        var failed = OrderDecisions.Cancel(Succeed(Placed(Four), Points), "", At(1)).State!;
        foreach (var step in SagaSteps.Default.All) failed = OrderDecisions.StepCompensated(failed, step, false, At(2)).State!;
        Assert.False(failed.IsClosed);
        var swept = OrderDecisions.OnSweep(failed, SagaSteps.Default, Timeouts, At(8));
        Assert.True(swept.State!.IsClosed);
        Assert.Empty(swept.Events);
        Assert.Equal("step-removed", swept.State.Timeline[^1].Event);
    }

    [Fact]
    public void An_order_that_waits_for_a_removed_step_explains_that_the_next_sweep_ends_it_even_after_its_deadline()
    {
        var waiting = Succeed(Placed(Four), Step.Stock, Step.Payment);
        foreach (var late in (int[])[6, 70])
        {
            Assert.Equal("The next sweep stops waiting for Points: not in Saga__Steps any more.",
                Explanation.Of(waiting, SagaSteps.Default, Timeouts, Start.AddSeconds(late), _ => null).Next);
        }
        Assert.StartsWith("Its deadline has passed", Explanation.Of(waiting, Four, Timeouts, Start.AddSeconds(70), _ => null).Next);
    }

    [Fact]
    public void A_document_of_version_1_is_read_and_written_with_a_list_of_steps()
    {
        var options = SagaHost.CreateJsonOptions(OrderStateJsonContext.Default);
        var order = JsonSerializer.Deserialize<Order>("""
            {
              "id": "0198c0de-0000-7000-8000-000000000001", "userId": "u", "status": "Confirmed",
              "items": [{ "productId": "p", "quantity": 1, "unitPrice": 100 }], "amounts": { "total": 100, "discount": 0, "final": 100 },
              "delivery": { "recipientName": "", "shippingAddress": "", "shippingPhone": "" }, "content": "c",
              "stock": { "state": "Done", "reference": "rsv-1", "answeredAt": "2030-01-01T00:00:01Z" },
              "payment": { "state": "Done", "reference": "pay-1", "answeredAt": "2030-01-01T00:00:02Z" },
              "coupon": { "state": "Done", "answeredAt": "2030-01-01T00:00:00Z" }, "placed": "2030-01-01T00:00:00Z",
              "timeline": [
                { "at": "2030-01-01T00:00:00Z", "event": "order-created", "detail": "" },
                { "at": "2030-01-01T00:00:02Z", "event": "order-confirmed", "detail": "", "status": "Confirmed" }
              ]
            }
            """, options)!;
        Assert.Null(order.FindProblem(Order.KeyOf(order.Id)));
        Assert.Equal(("rsv-1", "pay-1", StepState.Done), (order[Step.Stock]!.Reference, order[Step.Payment]!.Reference, order[Step.Coupon]!.State));
        var written = JsonSerializer.SerializeToNode(order, options)!.AsObject();
        Assert.Equal(["stock", "payments", "coupons"], written["steps"]!.AsArray().Select(step => $"{step!["name"]}"));
        Assert.DoesNotContain("stock", written);
        Assert.Equal(order.Steps.AsEnumerable(), JsonSerializer.Deserialize<Order>(written, options)!.Steps);
    }

    private static Order Placed(SagaSteps steps) => new("0198c0de-0000-7000-8000-000000000001", "u", OrderStatus.Pending, [new("p", 1, 100)], new(100, 0, 100),
        null, new("", "", ""), "content", null, Start, [new(Start, "order-created", "", OrderStatus.Pending, null)], steps.For(null, Start));

    private static Order Succeed(Order order, params Step[] steps) =>
        steps.Aggregate(order, (before, step) => OrderDecisions.StepSucceeded(before, step, "ref", At(1)).State!);

    private static DecisionContext At(int seconds) => new(Start.AddSeconds(seconds), null);
}
