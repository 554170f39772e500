using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Orders;
using Shop.V1;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using StepState = Orders.StepState;

namespace Saga.Tests.Properties;

/// <summary>The decisions of Orders from any well-formed order and after any sequence of events.</summary>
public sealed class OrderDecisionsProperties
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SagaTimeouts Timeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));

    /// <summary>An event, or a call, and how long after the previous one it comes; negative when the clock jumps back.</summary>
    private static readonly Gen<(int Kind, Step Step, int Seconds)> Events =
        from kind in Gen.Choose(0, 7)
        from step in Gen.Elements(Step.Stock, Step.Payment, Step.Coupon, Step.Of("points"))
        from seconds in Gen.OneOf(Gen.Choose(0, 3), Gen.Choose(-100, 100))
        select (kind, step, seconds);

    private static readonly Gen<Order> Placed =
        from id in Values.OrderIds
        from coupon in Gen.Elements<string?>(null, "c")
        from prices in Values.Between(0, 1_000_000_000).ArrayOf(3)
        from quantities in Gen.Choose(1, 1_000).ArrayOf(3)
        from count in Gen.Choose(1, 3)
        let items = Enumerable.Range(0, count).Select(at => new Item($"p{at}", quantities[at], prices[at])).ToImmutableArray()
        let total = items.Sum(item => item.Quantity * item.UnitPrice)
        from discount in Values.Between(0, coupon is null ? 0 : total)
        select new Order(
            id, "u", OrderStatus.Pending, items, new(total, discount, total - discount), coupon, new("", "", ""), "content",
            null, Start, [new(Start, "order-created", "", OrderStatus.Pending, null)], SagaSteps.Default.For(coupon, Start));

    [Fact]
    public void After_any_sequence_of_events_an_order_is_final_once() => Property.ForAll(
        from order in Placed
        from events in Events.ArrayOf()
        select (order, events),
        one =>
        {
            var (order, now) = (one.order, Start);
            HashSet<string> final = [];
            foreach (var e in one.events)
            {
                now = now.AddSeconds(e.Seconds);
                if (Decide(order, e, now) is not { } decision) continue;
                MustFollow(order, decision);
                final.UnionWith(decision.Events.Select(e => e.Topic).Where(topic => topic is "order-confirmed" or "order-failed"));
                order = decision.State!;
            }
            Assert.InRange(final.Count, 0, 1);
            Assert.Equal(order.Status switch { OrderStatus.Confirmed => "order-confirmed", OrderStatus.Failed => "order-failed", _ => "" }, final.SingleOrDefault() ?? "");
            Assert.Equal(final.Count, order.Timeline.Count(entry => entry.Event is "order-confirmed" or "order-failed"));
            Assert.Equal((one.order.Amounts, one.order.Items), (order.Amounts, order.Items));
        }, 3_000);

    [Fact]
    public void From_any_well_formed_order_any_event_keeps_its_status_when_final_and_its_amounts() => Property.ForAll(
        from order in AnyOrder
        from e in Events
        select (order, e),
        one =>
        {
            if (Decide(one.order, one.e, Start.AddSeconds(10 + one.e.Seconds)) is { } decision) MustFollow(one.order, decision);
        }, 5_000);

    [Fact]
    public void Published_events_keep_the_contract() => Property.ForAll(
        from order in AnyOrder
        from e in Events
        select (order, e),
        one =>
        {
            var events = Decide(one.order, one.e, Start.AddSeconds(20 + Math.Abs(one.e.Seconds)))?.Events ?? [];
            Assert.All(
                events.Select(e => e.Message).Append(PlacingDecisions.ToCreatedEvent(one.order)), e => Assert.Equal("", EventRules.Violations(e)));
        }, 3_000);

    /// <summary>Any combination of step records under any status that an order may have.</summary>
    private static Gen<Order> AnyOrder =>
        from placed in Placed
        from status in Gen.Elements(OrderStatus.Pending, OrderStatus.Confirmed, OrderStatus.Failed)
        from states in Gen.Elements(StepState.Waiting, StepState.Done, StepState.Refused, StepState.Undone, StepState.Skipped).ArrayOf(3)
        from compensated in Gen.Elements(true, false).ArrayOf(3)
        let steps = states.Select((state, at) => Record(status, state, compensated[at]) with { Name = placed.Steps[at].Name }).ToImmutableArray()
        let ended = status == OrderStatus.Pending ? placed : placed with
        {
            Status = status,
            Failure = status == OrderStatus.Failed ? new("CANCELLED", "It was cancelled.") : null,
            Timeline = placed.Timeline.Add(new(Start.AddSeconds(2), status == OrderStatus.Failed ? "order-failed" : "order-confirmed", "", status, null)),
        }
        select ended with { Steps = placed.UserCouponId is null && status == OrderStatus.Pending ? steps.SetItem(2, placed.Steps[2]) : steps };

    private static StepRecord Record(OrderStatus status, StepState state, bool compensated) => status switch
    {
        OrderStatus.Confirmed => new(StepState.Done, "ref", null, false, Start),
        OrderStatus.Pending when state is not (StepState.Waiting or StepState.Done) => StepRecord.Waiting(Step.Stock),
        _ => new(
            state, state is StepState.Done or StepState.Undone ? "ref" : null, state == StepState.Refused ? new("NO", "No.") : null,
            status == OrderStatus.Failed && (compensated || state == StepState.Undone), state == StepState.Waiting ? null : Start),
    };

    /// <returns>Null: it contradicts the order, and nothing changes.</returns>
    private static Decision<Order>? Decide(Order order, (int Kind, Step Step, int Seconds) e, DateTimeOffset now)
    {
        var at = new DecisionContext(now, null);
        try
        {
            return e.Kind switch
            {
                0 or 1 => OrderDecisions.StepSucceeded(order, e.Step, "ref", at),
                2 => OrderDecisions.StepFailed(order, e.Step, new("NO", "No."), at),
                3 => OrderDecisions.StepFailed(order, e.Step, FailureReason.OrderAlreadyFailed, at),
                4 => OrderDecisions.StepCompensated(order, e.Step, true, at),
                5 => OrderDecisions.StepCompensated(order, e.Step, false, at),
                6 => OrderDecisions.Cancel(order, "", at),
                _ => OrderDecisions.OnSweep(order, SagaSteps.Default, Timeouts, at),
            };
        }
        catch (UnprocessableEventException)
        {
            return null;
        }
    }

    private static void MustFollow(Order before, Decision<Order> decision)
    {
        var after = decision.State!;
        if (before.Status != OrderStatus.Pending) Assert.Equal(before.Status, after.Status);
        Assert.Equal((before.Id, before.Amounts, before.Items, before.UserCouponId), (after.Id, after.Amounts, after.Items, after.UserCouponId));
        Assert.True(after.Amounts.Final == after.Amounts.Total - after.Amounts.Discount);
        Assert.InRange(decision.Events.Count, 0, 1);
        if (after.Status == OrderStatus.Confirmed) Assert.All(after.Steps, step => Assert.Equal(StepState.Done, step.State));
        Assert.Equal(after.Status == OrderStatus.Failed, after.Failure is not null);
        foreach (var e in decision.Events)
        {
            Assert.Equal(after.Id, e.OrderId);
            Assert.Equal(after.Status switch
            {
                OrderStatus.Pending => nameof(OrderCreatedEvent),
                OrderStatus.Confirmed => nameof(OrderConfirmedEvent),
                _ => nameof(OrderFailedEvent),
            }, e.Message.Descriptor.Name);
        }
    }
}
