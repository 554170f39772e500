using System.Diagnostics;
using Grpc.Core;
using Integration.Chaos;
using Shop.V1;

namespace Integration.Console;

/// <summary>The stream of all orders over gRPC, which the console follows.</summary>
[Collection(nameof(OnRedis))]
public sealed class WatchOrdersTests(RunningShop shop)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_change_arrives_without_the_recipient_and_is_counted()
    {
        using var limit = new CancellationTokenSource(Timeout);
        using var watch = shop.Clients.Orders.WatchOrders(new(), cancellationToken: limit.Token);
        Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
        Assert.Empty(watch.ResponseStream.Current.Orders);

        const string Secret = "secret-recipient";
        var placed = (await WatchedShop.PlaceAsync(shop.Clients, Secret)).Order.OrderId;
        List<WatchOrdersResponse> received = [];
        for (Order? seen = null; seen is not { IsClosed: true }; seen = received[^1].Orders.SingleOrDefault(order => order.OrderId == placed))
        {
            Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
            received.Add(watch.ResponseStream.Current.Clone());
        }
        var order = received[^1].Orders.Single(order => order.OrderId == placed);
        Assert.Equal((OrderStatus.Confirmed, 1_000), (order.Status, order.FinalAmount));
        Assert.All(received, batch => Assert.DoesNotContain(Secret, batch.ToString()));
        Assert.All(received, batch => Assert.InRange(batch.Orders.Count, 0, 100));
        Assert.InRange(received.Sum(batch => batch.Placed), 1, int.MaxValue);
        Assert.InRange(received.Sum(batch => batch.Confirmed), 1, int.MaxValue);
        Assert.Equal(received.Sum(batch => batch.Confirmed + batch.Failed), received.Sum(batch => batch.Latencies.Count));
        Assert.All(received.SelectMany(batch => batch.Latencies), latency => Assert.True(latency.ToTimeSpan() > TimeSpan.Zero));
    }

    [Fact]
    public async Task A_message_comes_every_second_also_when_nothing_changes()
    {
        using var limit = new CancellationTokenSource(Timeout);
        using var watch = shop.Clients.Orders.WatchOrders(new(), cancellationToken: limit.Token);
        var begun = Stopwatch.GetTimestamp();
        for (var messages = 0; messages < 4; messages++) Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
        // Three intervals of at least 150 ms, and of about a second when nothing changes.
        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task Cancellation_ends_the_stream()
    {
        using var cancel = new CancellationTokenSource();
        using var watch = shop.Clients.Orders.WatchOrders(new(), cancellationToken: cancel.Token);
        Assert.True(await watch.ResponseStream.MoveNext(default));
        await cancel.CancelAsync();
        var ended = await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(default).WaitAsync(Timeout));
        Assert.Equal(StatusCode.Cancelled, ended.StatusCode);
    }
}

/// <summary>What happens to streams when Orders stops.</summary>
[Collection(nameof(OnSupervised))]
public sealed class WatchOrdersAtStopTests(SupervisedShop supervised)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Open_streams_do_not_delay_the_stop_and_end_in_order()
    {
        var shop = supervised.Processes;
        await shop.WaitUntilReadyAsync();
        var (orders, payments) = (supervised.Orders.Now, supervised.Payments.Now);
        using var all = shop.Clients.Orders.WatchOrders(new());
        Assert.True(await all.ResponseStream.MoveNext(default));
        try
        {
            // The order stays open.
            var placed = (await WatchedShop.PlaceAsync(shop.Clients, "Mina", () => payments.Signal("STOP"))).Order.OrderId;
            using var one = shop.Clients.Orders.WatchOrder(new() { Order = placed });
            Assert.True(await one.ResponseStream.MoveNext(default));

            var (begun, logged) = (Stopwatch.GetTimestamp(), orders.Output.Length);
            orders.Signal("TERM");
            while (await all.ResponseStream.MoveNext(default).WaitAsync(Timeout))
            {
            }
            var ended = await Assert.ThrowsAsync<RpcException>(async () =>
            {
                while (await one.ResponseStream.MoveNext(default).WaitAsync(Timeout))
                {
                }
            });
            Assert.Equal(StatusCode.Unavailable, ended.StatusCode);
            Assert.Equal(0, await orders.ExitAsync());
            Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.Zero, TimeSpan.FromSeconds(30));
            Assert.DoesNotContain(" fail: ", orders.Output[logged..]);
        }
        finally
        {
            payments.Signal("CONT");
        }
    }
}

/// <summary>Orders to watch.</summary>
internal static class WatchedShop
{
    /// <summary>Places an order of 1,000 won on a product and an account of its own.</summary>
    public static async Task<PlaceOrderResponse> PlaceAsync(Shop.ShopClients clients, string recipient, Action? beforePlacing = null)
    {
        var thing = $"w-{Guid.NewGuid():N}";
        await clients.Stock.PutProductAsync(new() { ProductId = thing, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await clients.Payments.OpenAccountAsync(new() { UserId = thing, InitialDeposit = 100_000 });
        beforePlacing?.Invoke();
        return await clients.Orders.PlaceOrderAsync(new()
        {
            UserId = thing,
            Items = { new OrderItem { ProductId = thing, Quantity = 1 } },
            RecipientName = recipient,
            ShippingAddress = recipient,
            ShippingPhone = recipient,
            SkipPrecheck = true,
        });
    }
}
