using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Places one order after the other, each with a key of its own and asked for until there is an answer, and cancels a few.</summary>
/// <param name="name">Tells its keys from those of others.</param>
internal sealed class Customer(string name, ShopClients shop, ChaosCatalog catalog, RetryingClient retrying, Random random)
{
    private const double CancelledShare = 0.05, CouponShare = 0.3;
    private const int QuantityMax = 3, PauseMaxMs = 400;

    private readonly List<PlacedOrder> placed = [];

    public IReadOnlyList<PlacedOrder> Placed => placed;

    public async Task ShopAsync(CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            placed.Add(await PlaceAsync());
            await Task.Delay(random.Next(PauseMaxMs), CancellationToken.None);
        }
    }

    private async Task<PlacedOrder> PlaceAsync()
    {
        var request = Request();
        var cancels = random.NextDouble() < CancelledShare;
        var answer = (await retrying.CallAsync(options => shop.Orders.PlaceOrderAsync(request, options))).Order;
        List<(OrderStatus, string)> told = [];
        if (answer.Status != OrderStatus.Pending) told.Add((answer.Status, answer.Reason));
        if (cancels) told.Add(await CancelAsync(answer.OrderId));
        return new(request, answer, told);
    }

    private PlaceOrderRequest Request()
    {
        var user = random.GetItems(ChaosCatalog.Users, 1)[0];
        var request = new PlaceOrderRequest
        {
            UserId = user,
            IdempotencyKey = $"{name}-{placed.Count}",
            RecipientName = name,
            // What cannot succeed is to fail in the saga, not at the door.
            SkipPrecheck = true,
        };
        var products = ChaosCatalog.Products.ToArray();
        random.Shuffle(products);
        request.Items.Add(products[..random.Next(1, 3)].Select(product => new OrderItem { ProductId = product, Quantity = random.Next(1, QuantityMax + 1) }));
        // The newest: others want them at the same time.
        if (catalog.CouponsOf(user) is [.., var coupon] && random.NextDouble() < CouponShare) request.UserCouponId = coupon;
        return request;
    }

    private async Task<(OrderStatus, string)> CancelAsync(string order)
    {
        try
        {
            var cancelled = (await retrying.CallAsync(options => shop.Orders.CancelOrderAsync(new() { Order = order }, options))).Order;
            return (cancelled.Status, cancelled.Reason);
        }
        catch (RpcException late) when (late.StatusCode == StatusCode.FailedPrecondition)
        {
            var final = (await retrying.CallAsync(options => shop.Orders.GetOrderAsync(new() { Order = order }, options))).Order;
            return (final.Status, final.Reason);
        }
    }
}
