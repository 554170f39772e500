using Grpc.Core;

namespace Orders;

/// <summary>Looks up products, accounts and coupons at the other services. With Saga:Batching, look-ups of concurrent requests share a call.</summary>
internal sealed class PrecheckClient
{
    /// <summary>Timeout of a look-up; the client may retry.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly TimeProvider clock;
    private readonly Func<string, CancellationToken, Task<Shop.V1.Product?>> findProduct;
    private readonly Func<string, CancellationToken, Task<Shop.V1.Account?>> findAccount;
    private readonly Func<string, CancellationToken, Task<Shop.V1.Coupon?>> findCoupon;

    public PrecheckClient(
        SagaOptions options, TimeProvider clock, Shop.V1.StockService.StockServiceClient stock, Shop.V1.PaymentService.PaymentServiceClient payments,
        Shop.V1.CouponService.CouponServiceClient coupons)
    {
        this.clock = clock;
        findProduct = By(async ids =>
            (await stock.BatchGetProductsAsync(new() { ProductIds = { ids } }, WithDeadline)).Products.ToDictionary(product => product.ProductId));
        findAccount = By(async ids =>
            (await payments.BatchGetAccountsAsync(new() { UserIds = { ids } }, WithDeadline)).Accounts.ToDictionary(account => account.UserId));
        findCoupon = By(async ids =>
            (await coupons.BatchGetCouponsAsync(new() { UserCouponIds = { ids } }, WithDeadline)).Coupons.ToDictionary(coupon => coupon.UserCouponId));

        Func<string, CancellationToken, Task<T?>> By<T>(Func<IEnumerable<string>, Task<Dictionary<string, T>>> lookUp) where T : class => options.Batching
            ? CreateBatcher(lookUp).SubmitAsync
            : async (id, ct) => (await lookUp([id]).WaitAsync(ct)).GetValueOrDefault(id);
    }

    /// <summary>Null: there is none.</summary>
    public Task<Shop.V1.Product?> ProductAsync(string productId, CancellationToken ct) => findProduct(productId, ct);

    /// <summary>Null: there is none.</summary>
    public Task<Shop.V1.Account?> AccountAsync(string userId, CancellationToken ct) => findAccount(userId, ct);

    /// <summary>Null: there is none.</summary>
    public Task<Shop.V1.Coupon?> CouponAsync(string userCouponId, CancellationToken ct) => findCoupon(userCouponId, ct);

    private CallOptions WithDeadline => new(deadline: clock.GetUtcNow().UtcDateTime + Timeout);

    private static Batcher<string, T?> CreateBatcher<T>(
        Func<IEnumerable<string>, Task<Dictionary<string, T>>> lookUp) where T : class => new(
        async ids =>
        {
            try
            {
                var found = await lookUp(ids.Distinct());
                return [.. ids.Select(id => Task.FromResult(found.GetValueOrDefault(id)))];
            }
            catch (RpcException fault) when (fault.StatusCode is StatusCode.DataLoss or StatusCode.Internal)
            {
                // One id that cannot be looked up fails the whole call. Single look-ups fail separately.
                var alone = ids.Distinct().ToDictionary(id => id, async id => (await lookUp([id])).GetValueOrDefault(id));
                return [.. ids.Select(id => alone[id])];
            }
        },
        maxConcurrency: 2, maxBatchSize: RequestCheck.IdsMax);
}
