using Orders;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;

namespace Saga.Tests;

/// <summary>Ids that are tracked before they are needed.</summary>
public sealed class OrderIdPoolTests
{
    private static readonly SagaTimeouts SagaTimeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(6));

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly Instance orders;

    public OrderIdPoolTests() => orders = New();

    [Fact]
    public void Consecutive_orders_share_one_write_to_the_log()
    {
        var taken = Take(16);
        Assert.Equal(16, taken.Distinct().Count());
        Assert.Equal(2, Segments.Count());
        Assert.Equal(taken.Order(), Segments.SelectMany(segment => segment.Orders).Order());
    }

    [Fact]
    public void A_stale_pooled_id_is_not_handed_out()
    {
        Take(1);
        Pass(SagaTimeouts.ResendAfter / 2);
        var late = Take(1).Single();
        Assert.Equal(2, Segments.Count());
        Assert.Contains(late, Segments.MaxBy(segment => segment.Written)!.Orders);
    }

    [Fact]
    public void An_unused_id_is_dropped_without_a_read_and_is_not_in_the_history()
    {
        var placed = Place();
        Pass(SagaTimeouts.ResendAfter);
        Sweep(orders);
        Assert.Single(Segments);
        store.TryWrite($"orders||{Order.KeyOf(placed.Id)}", placed with { Status = OrderStatus.Abandoned }, "1");
        Pass(SagaTimeouts.Deadline);
        Sweep(orders);
        Assert.Empty(Segments);
        Assert.Equal([placed.Id], store.Find<HistoryPage>("orders||past:").SelectMany(page => page.OrderIds));
        Assert.Equal([placed.Id], store.All<Order>("orders||order:").Select(order => order.Id));
    }

    [Fact]
    public void Pooled_ids_of_a_crashed_process_are_abandoned_at_the_deadline()
    {
        var placed = Place();
        orders.Crash();
        var heir = New();
        Sweep(heir);
        Pass(OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        Sweep(heir);
        Assert.Equal([placed.Id], store.All<Order>("orders||order:").Select(order => order.Id));
        Pass(SagaTimeouts.Deadline);
        Sweep(heir);
        Assert.Equal(7, store.All<Order>("orders||order:").Count(order => order.Status == OrderStatus.Abandoned));
        Assert.Equal("DEADLINE", store.All<Order>("orders||order:").Single(order => order.Id == placed.Id).Failure!.Reason);
    }

    private IEnumerable<OpenSegment> Segments => store.Find<OpenSegment>("orders||open:");

    private Instance New() => new(world, "orders", SagaTimeouts, _ => null,
        instance => new SimulatedSidecar(world, store, "orders", null, () => SidecarFaults.None, () => instance.Dead, _ => { }));

    private string[] Take(int count) => world.Run(async () =>
    {
        var taken = new string[count];
        for (var at = 0; at < count; at++) taken[at] = (await orders.OrderIdPool!.TakeAsync()).ToString();
        return taken;
    });

    private Order Place()
    {
        var id = Take(1).Single();
        var now = orders.Clock.GetUtcNow();
        return world.Run(() => orders.PlaceOrder!.StoreAsync(
            new(id, "u", OrderStatus.Pending, [new("p", 1, 100)], new(100, 0, 100), null, new("", "", ""), "", StepRecord.Waiting, StepRecord.Waiting,
                StepRecord.NotRequired(now), null, now, [new(now, "order-created", "", OrderStatus.Pending, null)]), isTracked: true, default));
    }

    private void Sweep(Instance instance) => world.Run(async () =>
    {
        await instance.SweepAsync!(default);
        return true;
    });

    private void Pass(TimeSpan time) => world.Clock.AdvanceTo(world.Clock.GetUtcNow() + time);
}
