using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>An order, and what Stock and Payments say about it.</summary>
/// <param name="Reservation">Null: Stock has none.</param>
/// <param name="Payment">Null: Payments has none.</param>
internal sealed record BookedOrder(Order Order, Reservation? Reservation, Payment? Payment);

/// <summary>Everything that clients can read, read from a shop that may be at work.</summary>
/// <remarks>
/// Products, accounts and coupons are read twice, before the orders and after: what is sold and spent only grows, so what the orders say
/// must lie between the two, and at rest all three are the same.
/// </remarks>
/// <param name="Begun">When reading began.</param>
/// <param name="CompleteSince">Orders that had come to rest before are forgotten. Null: none is.</param>
internal sealed record Books(DateTime Begun, Goods Before, IReadOnlyList<BookedOrder> Orders, DateTime? CompleteSince, Goods After)
{
    private const int Page = 500, AtOnce = 32;

    /// <param name="progress">Told the number of orders read so far.</param>
    public static async Task<Books> ReadAsync(ShopClients shop, Action<int> progress, CancellationToken stop)
    {
        var begun = DateTime.UtcNow;
        var before = await ReadGoodsAsync(shop, stop);
        Dictionary<string, BookedOrder> orders = [];
        DateTime? completeSince = null;
        await foreach (var page in Pages.OfAsync(token => shop.Orders.ListOrdersAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
        {
            completeSince ??= page.CompleteSince?.ToDateTime();
            var booked = new BookedOrder[page.Orders.Count];
            await Parallel.ForAsync(0, booked.Length, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stop }, async (at, cancel) =>
            {
                var id = page.Orders[at].OrderId;
                var reservation = FoundAsync(shop.Stock.GetReservationAsync(new() { OrderId = id }, cancellationToken: cancel));
                var payment = FoundAsync(shop.Payments.GetPaymentAsync(new() { OrderId = id }, cancellationToken: cancel));
                booked[at] = new(page.Orders[at], (await reservation)?.Reservation, (await payment)?.Payment);
            });
            foreach (var order in booked) orders[order.Order.OrderId] = order;
            progress(orders.Count);
        }
        return new(begun, before, [.. orders.Values], completeSince, await ReadGoodsAsync(shop, stop));
    }

    private static async Task<Goods> ReadGoodsAsync(ShopClients shop, CancellationToken stop)
    {
        Dictionary<string, Product> products = [];
        await foreach (var page in Pages.OfAsync(token => shop.Stock.ListProductsAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
        {
            foreach (var product in page.Products) products[product.ProductId] = product;
        }
        Dictionary<string, Account> accounts = [];
        await foreach (var page in Pages.OfAsync(token => shop.Payments.ListAccountsAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
        {
            foreach (var account in page.Accounts) accounts[account.UserId] = account;
        }
        Dictionary<string, Coupon> coupons = [];
        await foreach (var page in Pages.OfAsync(token => shop.Coupons.ListCouponsAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
        {
            foreach (var coupon in page.Coupons) coupons[coupon.UserCouponId] = coupon;
        }
        return new(products, accounts, coupons);
    }

    private static async Task<T?> FoundAsync<T>(AsyncUnaryCall<T> call) where T : class
    {
        try
        {
            return await call;
        }
        catch (RpcException none) when (none.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }
}

/// <summary>What is sold, paid with and taken off, by id.</summary>
internal sealed record Goods(IReadOnlyDictionary<string, Product> Products, IReadOnlyDictionary<string, Account> Accounts, IReadOnlyDictionary<string, Coupon> Coupons);
