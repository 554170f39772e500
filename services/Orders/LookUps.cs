using Grpc.Core;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>What the others tell about products, accounts and coupons. Orders that are placed at the same time share their questions.</summary>
internal sealed class LookUps
{
    /// <summary>A look-up that takes longer is given up; the client may try again.</summary>
    private static readonly TimeSpan LookUpMax = TimeSpan.FromSeconds(5);

    private readonly Together<string, Wire.Product?> products;
    private readonly Together<string, Wire.Account?> accounts;
    private readonly Together<string, Wire.Coupon?> coupons;

    public LookUps(Turns turns, Wire.StockService.StockServiceClient stock, Wire.PaymentService.PaymentServiceClient payments, Wire.CouponService.CouponServiceClient coupons)
    {
        products = Asking<Wire.Product>(turns, async ids =>
            (await stock.BatchGetProductsAsync(new() { ProductIds = { ids } }, Patiently)).Products.ToDictionary(product => product.ProductId));
        accounts = Asking<Wire.Account>(turns, async ids =>
            (await payments.BatchGetAccountsAsync(new() { UserIds = { ids } }, Patiently)).Accounts.ToDictionary(account => account.UserId));
        this.coupons = Asking<Wire.Coupon>(turns, async ids =>
            (await coupons.BatchGetCouponsAsync(new() { UserCouponIds = { ids } }, Patiently)).Coupons.ToDictionary(coupon => coupon.UserCouponId));
    }

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Product?> ProductAsync(string productId, CancellationToken stop) => products.DoAsync(productId, stop);

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Account?> AccountAsync(string userId, CancellationToken stop) => accounts.DoAsync(userId, stop);

    /// <summary>Null: there is none.</summary>
    public Task<Wire.Coupon?> CouponAsync(string userCouponId, CancellationToken stop) => coupons.DoAsync(userCouponId, stop);

    private static CallOptions Patiently => new(deadline: DateTime.UtcNow + LookUpMax);

    private static Together<string, T?> Asking<T>(Turns turns, Func<IEnumerable<string>, Task<Dictionary<string, T>>> ask) where T : class => new(
        turns,
        async ids =>
        {
            var found = await ask(ids.Distinct());
            return [.. ids.Select(id => Task.FromResult(found.GetValueOrDefault(id)))];
        },
        atOnce: 2, most: RequestCheck.IdsMax);
}
