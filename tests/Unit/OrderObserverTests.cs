using Orders;
using Saga.Tests.Hazards;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests;

/// <summary>Two instances of Orders: a watcher at one sees what either does, once.</summary>
public sealed class OrderObserverTests
{
    private readonly OrdersAlone here = new();
    private readonly OrdersAlone there;
    private readonly List<(OrderStatus? Before, OrderStatus After)> seen = [];

    public OrderObserverTests() => there = new(beside: here);

    [Fact]
    public void A_change_by_another_instance_is_seen_by_the_next_look_and_once()
    {
        using var watch = Watch();
        var order = Place(there);
        Assert.Empty(seen);
        Look();
        Assert.Equal([(null, OrderStatus.Pending)], seen);
        Confirm(there, order);
        Look();
        Look();
        Assert.Equal([(null, OrderStatus.Pending), (OrderStatus.Pending, OrderStatus.Confirmed)], Changes);
    }

    [Fact]
    public void An_order_of_another_instance_whose_answers_this_one_records_is_new_to_a_watcher()
    {
        using var watch = Watch();
        Confirm(here, Place(there));
        Look();
        Assert.Null(seen[0].Before);
        Assert.Single(seen, change => change.Before is null);
    }

    [Fact]
    public void An_order_that_was_placed_and_closed_between_two_looks_is_seen_once()
    {
        using var watch = Watch();
        Confirm(there, Place(there));
        Look();
        Look();
        Assert.Equal([(null, OrderStatus.Confirmed)], seen);
    }

    [Fact]
    public void What_there_was_before_the_watch_is_not_new_and_its_next_change_is()
    {
        var order = Place(there);
        using var watch = Watch();
        Look();
        Assert.Empty(seen);
        Assert.Equal(1, here.Observer.Open.Count);
        Confirm(there, order);
        Look();
        Assert.Equal([(OrderStatus.Pending, OrderStatus.Confirmed)], Changes);
        Assert.Equal(0, here.Observer.Open.Count);
    }

    [Fact]
    public void A_change_that_both_instances_see_is_counted_once()
    {
        using var watch = Watch();
        var order = Place(here);
        Confirm(there, order);
        Look();
        // A duplicate of the last answer arrives here.
        Confirm(here, order);
        Look();
        Assert.Equal([(null, OrderStatus.Pending), (OrderStatus.Pending, OrderStatus.Confirmed)], Changes);
    }

    [Fact]
    public void An_order_that_has_left_the_logs_before_it_was_seen_closed_is_read_once_more()
    {
        using var watch = Watch();
        var order = Place(there);
        Look();
        Confirm(there, order);
        here.World.Clock.AdvanceTo(here.World.Clock.GetUtcNow() + 2 * OrdersAlone.Options.ResendAfter);
        here.World.Run(async () =>
        {
            await there.Sweep.RunAsync(default);
            return true;
        });
        Look();
        Assert.Equal([(null, OrderStatus.Pending), (OrderStatus.Pending, OrderStatus.Confirmed)], Changes);
    }

    [Fact]
    public void Without_a_watcher_an_order_that_another_instance_has_closed_is_no_longer_counted_as_open()
    {
        var order = Place(here);
        Confirm(there, order);
        Assert.Equal(1, here.Limiter.Count);
        here.World.Clock.AdvanceTo(here.World.Clock.GetUtcNow() + TimeSpan.FromSeconds(2));
        Look();
        Assert.Equal(0, here.Limiter.Count);
        Assert.Empty(seen);
    }

    [Fact]
    public void Nothing_is_seen_after_the_watch()
    {
        Watch().Dispose();
        Confirm(here, Place(here));
        Look();
        Assert.Empty(seen);
    }

    /// <summary>The changes of status.</summary>
    private IEnumerable<(OrderStatus?, OrderStatus)> Changes => seen.Where(change => change.Before != change.After);

    private IDisposable Watch() => here.World.Run(() => here.Observer.WatchAsync((before, order) => seen.Add((before?.Status, order.Status)), default));

    private void Look() => here.World.Run(async () =>
    {
        await here.Observer.PollAsync(default);
        return true;
    });

    private static Order Place(OrdersAlone by)
    {
        var now = by.World.Clock.GetUtcNow();
        var order = ScriptedShop.OrderOf() with { Placed = now, Timeline = [new(now, "order-created", "", OrderStatus.Pending, null)] };
        return by.World.Run(() => by.Placing.StoreAsync(order, default));
    }

    private static void Confirm(OrdersAlone by, Order order)
    {
        foreach (var step in SagaSteps.Default.All)
        {
            by.World.Run(() => by.Orders.ApplyAsync(order.Id, (kept, at) => OrderDecisions.StepSucceeded(kept, step, "r", at), default));
        }
    }
}
