using Microsoft.Extensions.Logging.Abstractions;
using Orders;
using Stock;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>A sweep reads no document of an order that its own process has closed.</summary>
public sealed class RecentlyClosedTests
{
    [Theory, InlineData(false), InlineData(true)]
    public void Orders_reads_an_order_only_if_another_instance_has_closed_it(bool byAnother)
    {
        var shop = new OrdersAlone();
        var closing = byAnother ? new OrdersAlone(beside: shop) : shop;
        var visits = 0;
        shop.BeforeVisit = () => visits++;
        var placed = Hazards.ScriptedShop.OrderOf() with
        {
            Placed = shop.World.Clock.GetUtcNow(), Timeline = [new(shop.World.Clock.GetUtcNow(), "order-created", "", OrderStatus.Pending, null)],
        };
        shop.World.Run(() => shop.Placing.StoreAsync(placed, default));
        foreach (var step in SagaSteps.Default.All)
        {
            shop.World.Run(() => closing.Orders.ApplyAsync(placed.Id, (order, at) => OrderDecisions.StepSucceeded(order, step, "ref", at), default));
        }
        Assert.True(((Order)shop.Store.Read($"orders||{Order.KeyOf(placed.Id)}").Value!).IsClosed);

        shop.World.Clock.AdvanceTo(shop.World.Clock.GetUtcNow() + 2 * OrdersAlone.Options.ResendAfter);
        shop.World.Run(async () =>
        {
            await shop.Sweep.RunAsync(default);
            return true;
        });
        Assert.Equal(byAnother ? 1 : 0, visits);
        Assert.Equal((0, 0), (shop.Gauge.Count, shop.Store.Find<OpenSegment>("orders||open:").Count()));
    }

    [Theory, InlineData("by this process", 0), InlineData("by another", 0), InlineData("nowhere", 1)]
    public void A_participant_asks_about_no_reservation_that_is_archived(string archived, int asked)
    {
        var (world, store, questions) = (new World(1), new SimulatedStore(), 0);
        var order = new Guid(1, 0, 0, new byte[8]).ToString();
        store.TryWrite($"stock||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(10), []), "");
        var (mine, openOrders, sidecar, documents) = Start();
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        var sweep = new ReservationSweep<Product>(mine, sidecar, openOrders, (_, _) =>
        {
            questions++;
            return Task.FromResult(OrderOutcome.Confirmed);
        }, TimeSpan.FromSeconds(60), deadLetters, world.Clock, NullLogger<ReservationSweep<Product>>.Instance);

        Run(() => mine.ReserveAsync(order, [new("p", 2)], StockDecisions.Refuse, default));
        if (archived != "nowhere") Run(() => (archived == "by another" ? Start().Participant : mine).SettleAsync(order, [new("p", 2)], default));
        Assert.Equal(archived == "by this process", mine.HasArchived(order, [new("p", 2)]));
        Assert.False(mine.HasArchived(order, [new("q", 2)]));
        // Only a sweep that reads it misses it.
        if (archived == "by this process") store.Delete($"stock||{Reservation.KeyOf(order)}");
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + TimeSpan.FromSeconds(61));
        Run(() => sweep.RunAsync(default));
        Assert.Equal((asked, 0), (questions, store.Find<OpenSegment>("stock||open:").Count()));

        (Participant<Product> Participant, OpenOrderLog OpenOrders, ISidecar Sidecar, DocumentStore Documents) Start()
        {
            var sidecar = new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { });
            var documents = DocumentStore.Create(sidecar, new(world.Clock, world.Chance));
            var log = new OpenOrderLog(sidecar, world.Clock, () => world.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
            return (new(documents, sidecar, Product.KeyOf, log, world.Clock), log, sidecar, documents);
        }

        void Run(Func<Task> work) => world.Run(async () =>
        {
            await work();
            return true;
        });
    }

    [Fact]
    public void The_last_50_000_are_remembered_and_at_most_twice_as_many()
    {
        var closed = new RecentlyClosed<int>(new World(1).Clock);
        for (var number = 1; number <= 150_000; number++) closed.Add($"{number}", number);
        Assert.Equal(
            (false, true, true, 150_000),
            (closed.TryGet("50000", out _), closed.TryGet("50001", out _), closed.TryGet("150000", out var last), last));
    }

    [Theory, InlineData(10), InlineData(30), InlineData(10_000)]
    public void None_is_believed_for_longer_than_half_an_hour(int step)
    {
        var clock = new World(1).Clock;
        var closed = new RecentlyClosed<int>(clock);
        closed.Add("a", 1);
        Assert.True(closed.TryGet("a", out _));
        for (var minutes = 0; minutes < 30; minutes += step)
        {
            clock.AdvanceTo(clock.GetUtcNow() + TimeSpan.FromMinutes(step));
            closed.TryGet("b", out _);
        }
        Assert.False(closed.TryGet("a", out _));
    }
}
