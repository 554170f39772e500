using System.Diagnostics;
using System.Net;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Integration.Chaos;
using Integration.Console;
using Shop.V1;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Integration;

/// <summary>What a service does from SIGTERM to its end.</summary>
[Collection(nameof(OnSupervised))]
public sealed class DrainTests(SupervisedShop supervised)
{
    /// <summary>As in saga/OpenOrders/OpenOrderLog.cs.</summary>
    private static readonly TimeSpan HeartbeatTimeout = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly ChaosShop shop = supervised.Processes;

    [Fact]
    public async Task A_stopping_service_is_not_ready_at_once_finishes_what_is_in_progress_and_leaves_its_open_orders_to_its_successor()
    {
        await shop.WaitUntilReadyAsync();
        using var channel = GrpcChannel.ForAddress(shop.GetAddress(supervised.Orders));
        var health = new Health.HealthClient(channel);
        using var watched = health.Watch(new());
        Assert.True(await watched.ResponseStream.MoveNext(default).WaitAsync(Timeout));
        Assert.Equal(ServingStatus.Serving, watched.ResponseStream.Current.Status);
        using var http = new HttpClient { BaseAddress = new(shop.OrdersHttp) };

        // The tests before this one have left lines in the log.
        var before = supervised.Orders.Lines.Count();
        var (orders, stock, payments) = (supervised.Orders.Now, supervised.Stock.Now, supervised.Payments.Now);
        try
        {
            // Its look-up of the price is not answered until Stock goes on, and it stays open until Payments does.
            var isPlacing = new TaskCompletionSource();
            var placing = WatchedShop.PlaceAsync(shop.Clients, "Mina", beforePlacing: () =>
            {
                stock.Signal("STOP");
                payments.Signal("STOP");
                isPlacing.SetResult();
            });
            await isPlacing.Task.WaitAsync(Timeout);
            // Its connection is there when the service takes no new ones.
            using (await http.GetAsync("/healthz/ready"))
            {
            }
            var stopping = supervised.Orders.StopAsync();
            await Poll.UntilAsync(async () => (await health.CheckAsync(new())).Status == ServingStatus.NotServing);
            using var ready = await http.GetAsync("/healthz/ready");
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
            Assert.Contains("The service is stopping.", await ready.Content.ReadAsStringAsync());
            Assert.Equal(ServingStatus.Serving, (await health.CheckAsync(new() { Service = "liveness" })).Status);
            Assert.False(placing.IsCompleted || stopping.IsCompleted);

            stock.Signal("CONT");
            var order = (await placing.WaitAsync(Timeout)).Order.OrderId;
            var (exitCode, time) = await stopping;
            Assert.Equal(0, exitCode);
            Assert.InRange(time, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(25));
            Assert.Equal("", string.Join('\n', supervised.Orders.Lines.Skip(before).Where(line => line.Contains(" fail: "))));
            // A watcher of its health is told, and the stream ends.
            var last = ServingStatus.Unknown;
            while (await watched.ResponseStream.MoveNext(default).WaitAsync(Timeout)) last = watched.ResponseStream.Current.Status;
            Assert.Equal(ServingStatus.NotServing, last);

            var since = Stopwatch.GetTimestamp();
            await Poll.UntilAsync(() => supervised.Orders.Now != orders);
            await supervised.Orders.Now.LineAsync($"Order {order} was open without a change");
            Assert.InRange(Stopwatch.GetElapsedTime(since), TimeSpan.Zero, HeartbeatTimeout * 0.9);
            payments.Signal("CONT");
            await Poll.UntilAsync(async () => (await shop.Clients.Orders.GetOrderAsync(new() { Order = order })).Order.Status == OrderStatus.Confirmed);
        }
        finally
        {
            stock.Signal("CONT");
            payments.Signal("CONT");
        }
    }
}
