using Microsoft.Extensions.Logging.Abstractions;
using Orders;
using Saga.Tests.Hazards;
using Order = Orders.Order;

namespace Saga.Tests;

/// <summary>The pages of the list of orders.</summary>
public sealed class OrderListingTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly OpenOrderLog openOrders;
    private readonly OrderListing listing;

    public OrderListingTests()
    {
        var sidecar = new SimulatedSidecar(world, store, "orders", null, () => SidecarFaults.None, () => false, _ => { });
        var documents = DocumentStore.Create(sidecar, new(world.Clock, world.Chance));
        openOrders = new(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        listing = new(
            new(sidecar, NullLogger<DocumentList>.Instance), openOrders, new(documents, sidecar, world.Clock),
            new(null!, null!, world.Clock, NullLoggerFactory.Instance), SagaSteps.Default, ScriptedShop.SagaTimeouts, world.Clock);
    }

    [Fact]
    public void A_page_has_at_most_3_MiB_and_the_pages_have_every_order_once()
    {
        (string, int)[] items = [.. Enumerable.Range(0, 100).Select(at => ($"{at}".PadLeft(64, 'p'), 1000))];
        string[] placed = [.. Enumerable.Range(1, 600).Select(number => Place(number, items))];

        List<string> listed = [];
        var pages = 0;
        for (PageCursor cursor = default; ; pages++)
        {
            var page = world.Run(() => listing.ListAsync(cursor, 1000, [], Caller.Anyone, default));
            Assert.InRange(page.CalculateSize(), 0, OrderListing.MaxResponseSize);
            listed.AddRange(page.Orders.Select(order => order.OrderId));
            if (page.NextPageToken.Length == 0) break;
            Assert.True(PageCursor.TryParse(page.NextPageToken, out cursor));
        }
        Assert.Equal(placed.Order(), listed.Order());
        Assert.InRange(pages, 1, 10);
        // Below what a client of gRPC takes by default.
        Assert.InRange(OrderListing.MaxResponseSize, 1, 4 * 1024 * 1024 - 1);
    }

    [Fact]
    public void A_corrupt_order_is_left_out_and_named_to_an_operator()
    {
        string[] good = [Place(1), Place(3)];
        var bad = Place(2);
        store.Delete($"orders||{Order.KeyOf(bad)}");
        store.TryWrite($"orders||{Order.KeyOf(bad)}", new CorruptNote("no order"), "");

        var page = world.Run(() => listing.ListAsync(default, 10, [], Caller.Anyone, default));
        Assert.Equal(good.OrderDescending(), page.Orders.Select(order => order.OrderId));
        Assert.Equal([bad], page.UnreadableOrderIds);
        var open = world.Run(() => listing.ListOpenAsync(10, default));
        Assert.Equal(good, open.Orders.Select(order => order.OrderId).Order());
        Assert.Equal([bad], open.UnreadableOrderIds);

        var own = world.Run(() => listing.ListAsync(default, 10, [], new("u", IsOperator: false, null), default));
        Assert.Equal(2, own.Orders.Count);
        Assert.Empty(own.UnreadableOrderIds);
    }

    /// <returns>The id of the order.</returns>
    private string Place(int number, params (string, int)[] items)
    {
        var order = ScriptedShop.OrderOf(number: number, items: items);
        world.Run(async () =>
        {
            await openOrders.AddAsync(order.Id, default);
            return true;
        });
        store.TryWrite($"orders||{Order.KeyOf(order.Id)}", order, "");
        return order.Id;
    }

    private sealed record CorruptNote(string Text);
}
