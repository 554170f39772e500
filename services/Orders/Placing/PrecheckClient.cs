using Grpc.Core;
using Wire = Shop.V1;

namespace Orders;

/// <summary>Looks up products, accounts and coupons at the other services. Look-ups of concurrent requests are batched.</summary>
internal sealed class PrecheckClient
{
    /// <summary>Timeout of a look-up; the client may retry.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly TimeProvider clock;
    private readonly Batcher<string, Wire.Product?> products;
    private readonly Batcher<string, Wire.Account?> accounts;
    private readonly Batcher<string, Wire.Coupon?> coupons;

    public PrecheckClient(
        EventLoop eventLoop, TimeProvider clock, Wire.StockService.StockServiceClient stock, Wire.PaymentService.PaymentServiceClient payments,
        Wire.CouponService.CouponServiceClient coupons)
    {
        this.clock = clock;
        products = CreateBatcher<Wire.Product>(eventLoop, async ids =>
            (await stock.BatchGetProductsAsync(new() { ProductIds = { ids } }, WithDeadline)).Products.ToDictionary(product => product.ProductId));
        accounts = CreateBatcher<Wire.Account>(eventLoop, async ids =>
            (await payments.BatchGetAccountsAsync(new() { UserIds = { ids } }, WithDeadline)).Accounts.ToDictionary(account => account.UserId));
        this.coupons = CreateBatcher<Wire.Coupon>(eventLoop, async ids =>
            (await coupons.BatchGetCouponsAsync(new() { UserCouponIds = { ids } }, WithDeadline)).Coupons.ToDictionary(coupon => coupon.UserCouponId));
    }

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Product?> ProductAsync(string productId, CancellationToken ct) => products.SubmitAsync(productId, ct);

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Account?> AccountAsync(string userId, CancellationToken ct) => accounts.SubmitAsync(userId, ct);

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Coupon?> CouponAsync(string userCouponId, CancellationToken ct) => coupons.SubmitAsync(userCouponId, ct);

    private CallOptions WithDeadline => new(deadline: clock.GetUtcNow().UtcDateTime + Timeout);

    private static Batcher<string, T?> CreateBatcher<T>(
        EventLoop eventLoop, Func<IEnumerable<string>, Task<Dictionary<string, T>>> lookUp) where T : class => new(
        eventLoop,
        async ids =>
        {
            var found = await lookUp(ids.Distinct());
            return [.. ids.Select(id => Task.FromResult(found.GetValueOrDefault(id)))];
        },
        maxConcurrency: 2, maxBatchSize: RequestCheck.IdsMax);
}
