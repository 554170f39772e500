using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.V1;

namespace Bench;

/// <summary>Products, accounts and coupons of a bench: practically unlimited stock and money, and one product that is sold out.</summary>
internal sealed class BenchCatalog(ShopClients shop)
{
    public const int InitialProducts = 1_000, InitialAccounts = 10_000;

    private const string SoldOut = "sold-out";
    private const int ConcurrencyMax = 64;

    private int products;
    private int accounts;
    private int coupons;
    private int couponsIssued;

    /// <summary>Adds products and accounts up to a multiple of the initial number.</summary>
    public async Task FillAsync(int times)
    {
        await Parallel.ForAsync(products, times * InitialProducts, Limit, async (at, ct) =>
            await shop.Stock.PutProductAsync(
                new() { ProductId = GetProductId(at), Name = "Thing", Price = 1_000, InitialStock = 1_000_000_000 }, cancellationToken: ct));
        if (products == 0) await shop.Stock.PutProductAsync(new() { ProductId = SoldOut, Name = "Nothing", Price = 1_000 });
        await Parallel.ForAsync(accounts, times * InitialAccounts, Limit, async (at, ct) =>
            await shop.Payments.OpenAccountAsync(new() { UserId = GetUserId(at), InitialDeposit = 1_000_000_000_000 }, cancellationToken: ct));
        (products, accounts) = (times * InitialProducts, times * InitialAccounts);
    }

    /// <summary>Adds coupons; each can be used once.</summary>
    public async Task IssueCouponsAsync(int count)
    {
        await Parallel.ForAsync(couponsIssued, couponsIssued + count, Limit, async (at, ct) => await shop.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = GetCouponId(at),
            UserId = GetUserId(at % InitialAccounts),
            AmountOff = 100,
            ValidUntil = Timestamp.FromDateTime(new(2099, 1, 1, 0, 0, 0, DateTimeKind.Utc)),
        }, cancellationToken: ct));
        couponsIssued += count;
    }

    /// <summary>Creates a request: 20 % with a coupon while coupons last, 5 % for the sold-out product.</summary>
    /// <param name="hot">Always the same product.</param>
    public PlaceOrderRequest CreateOrder(Random random, bool hot)
    {
        var request = new PlaceOrderRequest { UserId = GetUserId(random.Next(accounts)) };
        if (random.NextDouble() < 0.2 && Interlocked.Increment(ref coupons) is var coupon && coupon <= couponsIssued)
        {
            request.UserCouponId = GetCouponId(coupon - 1);
            request.UserId = GetUserId((coupon - 1) % InitialAccounts);
        }
        if (random.NextDouble() < 0.05)
        {
            request.SkipPrecheck = true;
            request.Items.Add(new OrderItem { ProductId = SoldOut, Quantity = 1 });
        }
        else request.Items.Add(new OrderItem { ProductId = GetProductId(hot ? 0 : random.Next(products)), Quantity = 1 });
        return request;
    }

    private static ParallelOptions Limit => new() { MaxDegreeOfParallelism = ConcurrencyMax };

    private static string GetProductId(int at) => $"product-{at}";

    private static string GetUserId(int at) => $"user-{at}";

    private static string GetCouponId(int at) => $"coupon-{at}";
}
