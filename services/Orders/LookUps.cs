using Grpc.Core;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>What the others tell about products, accounts and coupons. Orders that are placed at the same time share their questions.</summary>
internal sealed class PrecheckClient
{
    /// <summary>A look-up that takes longer is given up; the client may try again.</summary>
    private static readonly TimeSpan LookUpMax = TimeSpan.FromSeconds(5);

    private readonly Batcher<string, Wire.Product?> products;
    private readonly Batcher<string, Wire.Account?> accounts;
    private readonly Batcher<string, Wire.Coupon?> coupons;

    public PrecheckClient(EventLoop eventLoop, Wire.StockService.StockServiceClient stock, Wire.PaymentService.PaymentServiceClient payments, Wire.CouponService.CouponServiceClient coupons)
    {
        products = Asking<Wire.Product>(eventLoop, async ids =>
            (await stock.BatchGetProductsAsync(new() { ProductIds = { ids } }, Patiently)).Products.ToDictionary(product => product.ProductId));
        accounts = Asking<Wire.Account>(eventLoop, async ids =>
            (await payments.BatchGetAccountsAsync(new() { UserIds = { ids } }, Patiently)).Accounts.ToDictionary(account => account.UserId));
        this.coupons = Asking<Wire.Coupon>(eventLoop, async ids =>
            (await coupons.BatchGetCouponsAsync(new() { UserCouponIds = { ids } }, Patiently)).Coupons.ToDictionary(coupon => coupon.UserCouponId));
    }

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Product?> ProductAsync(string productId, CancellationToken ct) => products.SubmitAsync(productId, ct);

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Account?> AccountAsync(string userId, CancellationToken ct) => accounts.SubmitAsync(userId, ct);

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Coupon?> CouponAsync(string userCouponId, CancellationToken ct) => coupons.SubmitAsync(userCouponId, ct);

    private static CallOptions Patiently => new(deadline: DateTime.UtcNow + LookUpMax);

    private static Batcher<string, T?> Asking<T>(EventLoop eventLoop, Func<IEnumerable<string>, Task<Dictionary<string, T>>> ask) where T : class => new(
        eventLoop,
        async ids =>
        {
            var found = await ask(ids.Distinct());
            return [.. ids.Select(id => Task.FromResult(found.GetValueOrDefault(id)))];
        },
        maxConcurrency: 2, maxBatchSize: RequestCheck.IdsMax);
}
