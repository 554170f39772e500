using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Integration.Chaos;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>Hazards that only real processes show: a service or a sidecar is down at a critical moment.</summary>
[Collection(nameof(OnSupervised))]
public sealed class ProcessHazards(SupervisedShop shop) : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60), PollInterval = TimeSpan.FromMilliseconds(50);

    private readonly ShopClients clients = shop.Processes.Clients;
    private readonly GrpcChannel payments = GrpcChannel.ForAddress(shop.Processes.GetAddress(shop.Payments));

    private string Product { get; } = $"p-{Guid.CreateVersion7()}";

    private string User { get; } = $"u-{Guid.CreateVersion7()}";

    public async Task InitializeAsync()
    {
        await shop.Processes.WaitUntilReadyAsync();
        await clients.Stock.PutProductAsync(new() { ProductId = Product, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await clients.Payments.OpenAccountAsync(new() { UserId = User, InitialDeposit = 10_000 });
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose() => payments.Dispose();

    [Fact, Trait("Hazard", "B2")]
    public async Task Stock_killed_between_reserving_and_releasing_releases_the_reservation()
    {
        await WhileDownAsync(shop.Payments, async () =>
        {
            var order = await PlaceAsync();
            await WaitForAsync(() => ReservationAsync(order), ReservationStatus.Reserved);
            await WhileDownAsync(shop.Stock, async () => await clients.Orders.CancelOrderAsync(new() { Order = order }));
            await WaitForAsync(() => ReservationAsync(order), ReservationStatus.Released);
        });
        var product = (await clients.Stock.GetProductAsync(new() { ProductId = Product })).Product;
        Assert.Equal(new StockLevel(Available: 10, Held: 0, Sold: 0), StockLevel.From(product));
    }

    [Fact, Trait("Hazard", "H22")]
    public async Task A_service_without_its_sidecar_is_not_ready_and_handles_waiting_events_once_it_has_one()
    {
        string order = "";
        await WhileDownAsync(shop.SidecarOf(shop.Payments), async () =>
        {
            await shop.Payments.KillAsync(TimeSpan.Zero);
            await WaitForAsync(PaymentsHealthAsync, HealthCheckResponse.Types.ServingStatus.NotServing);
            // Liveness is independent of the sidecar: a restart would not help.
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await PaymentsHealthAsync("liveness"));
            order = await PlaceAsync();
            await WaitForAsync(() => ReservationAsync(order), ReservationStatus.Reserved);
        });
        await WaitForAsync(PaymentsHealthAsync, HealthCheckResponse.Types.ServingStatus.Serving);
        await WaitForAsync(() => StatusAsync(order), OrderStatus.Confirmed);
    }

    [Fact, Trait("Hazard", "H11")]
    public async Task An_order_without_a_coupon_is_confirmed_while_Coupons_is_down() =>
        await WhileDownAsync(shop.Coupons, async () =>
        {
            var order = await PlaceAsync();
            await WaitForAsync(() => StatusAsync(order), OrderStatus.Confirmed);
        });

    [Fact, Trait("Hazard", "B14")]
    public async Task Explain_reports_what_an_order_waits_for_and_what_happens_next()
    {
        await WhileDownAsync(shop.Payments, async () =>
        {
            var order = await PlaceAsync();
            await WaitForAsync(async () => (await ExplainAsync(order)).WaitsFor.Count, 1);
            var explained = await ExplainAsync(order);
            Assert.Contains("Payments", explained.WaitsFor[0]);
            Assert.Contains("order fails with reason DEADLINE", explained.Next);
            Assert.Equal(["order-created", "stock-reserved"], explained.Timeline.Select(entry => entry.Event).Order());
        });
    }

    private async Task<string> PlaceAsync() => (await clients.Orders.PlaceOrderAsync(
        new() { UserId = User, Items = { new OrderItem { ProductId = Product, Quantity = 2 } }, SkipPrecheck = true })).Order.OrderId;

    private async Task<OrderStatus> StatusAsync(string order) => (await clients.Orders.GetOrderAsync(new() { Order = order })).Order.Status;

    private async Task<ExplainOrderResponse> ExplainAsync(string order) => await clients.Orders.ExplainOrderAsync(new() { Order = order });

    private async Task<ReservationStatus> ReservationAsync(string order)
    {
        try
        {
            return (await clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation.Status;
        }
        catch (RpcException none) when (none.StatusCode is StatusCode.NotFound or StatusCode.Unavailable)
        {
            return ReservationStatus.Unspecified;
        }
    }

    private Task<HealthCheckResponse.Types.ServingStatus> PaymentsHealthAsync() => PaymentsHealthAsync("");

    private async Task<HealthCheckResponse.Types.ServingStatus> PaymentsHealthAsync(string service)
    {
        try
        {
            return (await new Health.HealthClient(payments).CheckAsync(new() { Service = service })).Status;
        }
        catch (RpcException)
        {
            return HealthCheckResponse.Types.ServingStatus.Unknown;
        }
    }

    /// <summary>Kills the process, and restarts it once <paramref name="work"/> is done.</summary>
    private static Task WhileDownAsync(Supervised process, Func<Task> work) => process.KillAsync(TimeSpan.Zero, work);

    private static async Task WaitForAsync<T>(Func<Task<T>> read, T expected)
    {
        for (var until = DateTime.UtcNow + Timeout; ; await Task.Delay(PollInterval))
        {
            var seen = await read();
            if (Equals(seen, expected)) return;
            Assert.True(DateTime.UtcNow < until, $"Expected {expected}, but it is {seen}.");
        }
    }
}
