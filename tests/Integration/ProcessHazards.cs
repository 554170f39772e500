using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Integration.Chaos;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>Hazards that only real processes show: one service or one sidecar is away at the moment that matters.</summary>
[Collection(nameof(Sequential))]
public sealed class ProcessHazards : IAsyncLifetime
{
    private const string User = "u", Product = "p";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60), LookAgain = TimeSpan.FromMilliseconds(50);

    private ChaosShop shop = null!;
    private GrpcChannel payments = null!;

    private Supervised Stock => shop.Services.Single(service => service.Name == "Stock 1");

    private Supervised Payments => shop.Services.Single(service => service.Name == "Payments 1");

    private Supervised Coupons => shop.Services.Single(service => service.Name == "Coupons 1");

    private Supervised PaymentsSidecar => shop.Sidecars[shop.Services.IndexOf(Payments)];

    public async Task InitializeAsync()
    {
        shop = await ChaosShop.OpenAsync([1, 1, 1, 1], deadline: Patience);
        payments = GrpcChannel.ForAddress(shop.AddressOf(Payments));
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = Product, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = User, InitialDeposit = 10_000 });
    }

    public async Task DisposeAsync()
    {
        payments.Dispose();
        await shop.DisposeAsync();
    }

    [Fact, Trait("Hazard", "B2")]
    public async Task Stock_that_is_killed_between_reserving_and_releasing_gives_back_what_it_had_reserved()
    {
        await WhileAwayAsync(Payments, async () =>
        {
            var order = await PlaceAsync();
            await ReachAsync(() => ReservationAsync(order), ReservationStatus.Reserved);
            await WhileAwayAsync(Stock, async () => await shop.Clients.Orders.CancelOrderAsync(new() { Order = order }));
            await ReachAsync(() => ReservationAsync(order), ReservationStatus.Released);
        });
        var product = (await shop.Clients.Stock.GetProductAsync(new() { ProductId = Product })).Product;
        Assert.Equal((10, 0, 0), (product.Available, product.Held, product.Sold));
    }

    [Fact, Trait("Hazard", "H22")]
    public async Task A_service_without_its_sidecar_is_not_ready_and_hears_everything_once_it_has_one()
    {
        string order = "";
        await WhileAwayAsync(PaymentsSidecar, async () =>
        {
            await Payments.KillAsync(TimeSpan.Zero);
            await ReachAsync(PaymentsHealthAsync, HealthCheckResponse.Types.ServingStatus.NotServing);
            // A restart would not help: it lives.
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await PaymentsHealthAsync("liveness"));
            order = await PlaceAsync();
            await ReachAsync(() => ReservationAsync(order), ReservationStatus.Reserved);
        });
        await ReachAsync(PaymentsHealthAsync, HealthCheckResponse.Types.ServingStatus.Serving);
        await ReachAsync(() => StatusAsync(order), OrderStatus.Confirmed);
    }

    [Fact, Trait("Hazard", "H11")]
    public async Task An_order_without_a_coupon_is_confirmed_while_Coupons_is_away() =>
        await WhileAwayAsync(Coupons, async () =>
        {
            var order = await PlaceAsync();
            await ReachAsync(() => StatusAsync(order), OrderStatus.Confirmed);
        });

    [Fact, Trait("Hazard", "B14")]
    public async Task One_question_tells_what_an_order_waits_for_and_what_happens_next()
    {
        await WhileAwayAsync(Payments, async () =>
        {
            var order = await PlaceAsync();
            await ReachAsync(async () => (await ExplainAsync(order)).WaitsFor.Count, 1);
            var explained = await ExplainAsync(order);
            Assert.Contains("Payments", explained.WaitsFor[0]);
            Assert.Contains("order fails with reason DEADLINE", explained.Next);
            Assert.Equal(["order-created", "stock-reserved"], explained.Timeline.Select(entry => entry.Event).Order());
        });
    }

    private async Task<string> PlaceAsync() => (await shop.Clients.Orders.PlaceOrderAsync(
        new() { UserId = User, Items = { new OrderItem { ProductId = Product, Quantity = 2 } }, SkipPrecheck = true })).Order.OrderId;

    private async Task<OrderStatus> StatusAsync(string order) => (await shop.Clients.Orders.GetOrderAsync(new() { Order = order })).Order.Status;

    private async Task<ExplainOrderResponse> ExplainAsync(string order) => await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order });

    private async Task<ReservationStatus> ReservationAsync(string order)
    {
        try
        {
            return (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation.Status;
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

    /// <summary>Kills it, and lets it come back once <paramref name="work"/> is done.</summary>
    private static Task WhileAwayAsync(Supervised process, Func<Task> work) => process.KillAsync(TimeSpan.Zero, work);

    private static async Task ReachAsync<T>(Func<Task<T>> look, T wanted)
    {
        for (var until = DateTime.UtcNow + Patience; ; await Task.Delay(LookAgain))
        {
            var seen = await look();
            if (Equals(seen, wanted)) return;
            Assert.True(DateTime.UtcNow < until, $"It should become {wanted} and is {seen}.");
        }
    }
}
