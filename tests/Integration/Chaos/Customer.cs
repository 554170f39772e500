using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Places one order after the other, each with its own key and retried until it is answered, half of them to be paid at once, and cancels a few.</summary>
/// <param name="name">Prefix of its keys.</param>
/// <param name="orchestratedShare">Share of the orders that it pays at once.</param>
internal sealed class Customer(
    string name, ShopClients shop, ChaosCatalog catalog, RetryingClient client, Random random, double orchestratedShare = 0.5)
{
    private const double CancelledShare = 0.05, CouponShare = 0.3;
    private const int QuantityMax = 3, PauseMaxMs = 400;

    private readonly List<PlacedOrder> placed = [];

    public IReadOnlyList<PlacedOrder> Placed => placed;

    public async Task RunAsync(CancellationToken loadEnd)
    {
        while (!loadEnd.IsCancellationRequested)
        {
            placed.Add(await PlaceAsync());
            await Task.Delay(random.Next(PauseMaxMs), CancellationToken.None);
        }
    }

    private async Task<PlacedOrder> PlaceAsync()
    {
        var request = Request();
        var cancels = random.NextDouble() < CancelledShare;
        var pattern = random.NextDouble() < orchestratedShare ? SagaPattern.Orchestration : SagaPattern.Choreography;
        var answer = await PlacedOrder.PlaceAsync(shop.Orders, client, request, pattern);
        List<Outcome> outcomes = [];
        if (answer.Status != OrderStatus.Pending) outcomes.Add(new(answer.Status, answer.Reason));
        if (cancels) outcomes.Add(await CancelAsync(answer.OrderId));
        return new(request, pattern, answer, outcomes);
    }

    private PlaceOrderRequest Request()
    {
        var user = random.GetItems(ChaosCatalog.Users, 1)[0];
        var request = new PlaceOrderRequest
        {
            UserId = user,
            IdempotencyKey = $"{name}-{placed.Count}",
            RecipientName = name,
            // Orders that cannot succeed are to fail in the saga.
            SkipPrecheck = true,
        };
        var products = ChaosCatalog.Products.ToArray();
        random.Shuffle(products);
        request.Items.Add(products[..random.Next(1, 3)].Select(product => new OrderItem { ProductId = product, Quantity = random.Next(1, QuantityMax + 1) }));
        // The newest coupon, for which other customers compete.
        if (catalog.GetCoupons(user) is [.., var coupon] && random.NextDouble() < CouponShare) request.UserCouponId = coupon;
        return request;
    }

    private async Task<Outcome> CancelAsync(string order)
    {
        try
        {
            var cancelled = (await client.CallAsync(options => shop.Orders.CancelOrderAsync(new() { Order = order }, options))).Order;
            return new(cancelled.Status, cancelled.Reason);
        }
        catch (RpcException late) when (late.StatusCode == StatusCode.FailedPrecondition)
        {
            var final = (await client.CallAsync(options => shop.Orders.GetOrderAsync(new() { Order = order }, options))).Order;
            return new(final.Status, final.Reason);
        }
    }
}
