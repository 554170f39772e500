using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.V1;

namespace Bench;

/// <summary>What is sold in a bench, and to whom: enough of everything, except of one product of which there is nothing.</summary>
internal sealed class Assortment(ShopClients shop)
{
    public const int ProductsAtFirst = 1_000, AccountsAtFirst = 10_000;

    private const string SoldOut = "sold-out";
    private const int AtOnce = 64;

    private int products;
    private int accounts;
    private int coupons;
    private int couponsIssued;

    /// <param name="times">So many times as much of it as at first.</param>
    public async Task FillAsync(int times)
    {
        await Parallel.ForAsync(products, times * ProductsAtFirst, Limit, async (at, _) =>
            await shop.Stock.PutProductAsync(new() { ProductId = ProductOf(at), Name = "Thing", Price = 1_000, InitialStock = 1_000_000_000 }));
        if (products == 0) await shop.Stock.PutProductAsync(new() { ProductId = SoldOut, Name = "Nothing", Price = 1_000 });
        await Parallel.ForAsync(accounts, times * AccountsAtFirst, Limit, async (at, _) =>
            await shop.Payments.OpenAccountAsync(new() { UserId = UserOf(at), InitialDeposit = 1_000_000_000_000 }));
        (products, accounts) = (times * ProductsAtFirst, times * AccountsAtFirst);
    }

    /// <summary>Coupons are used once: so many more must be there for what comes.</summary>
    public async Task IssueCouponsAsync(int count)
    {
        await Parallel.ForAsync(couponsIssued, couponsIssued + count, Limit, async (at, _) => await shop.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = CouponOf(at),
            UserId = UserOf(at % AccountsAtFirst),
            AmountOff = 100,
            ValidUntil = Timestamp.FromDateTime(new(2099, 1, 1, 0, 0, 0, DateTimeKind.Utc)),
        }));
        couponsIssued += count;
    }

    /// <summary>20 % with a coupon while there are any, 5 % of what is sold out.</summary>
    /// <param name="hot">All want the same product.</param>
    public PlaceOrderRequest Order(Random chance, bool hot)
    {
        var request = new PlaceOrderRequest { UserId = UserOf(chance.Next(accounts)) };
        if (chance.NextDouble() < 0.2 && Interlocked.Increment(ref coupons) is var coupon && coupon <= couponsIssued)
        {
            request.UserCouponId = CouponOf(coupon - 1);
            request.UserId = UserOf((coupon - 1) % AccountsAtFirst);
        }
        if (chance.NextDouble() < 0.05)
        {
            request.SkipPrecheck = true;
            request.Items.Add(new OrderItem { ProductId = SoldOut, Quantity = 1 });
        }
        else request.Items.Add(new OrderItem { ProductId = ProductOf(hot ? 0 : chance.Next(products)), Quantity = 1 });
        return request;
    }

    private static ParallelOptions Limit => new() { MaxDegreeOfParallelism = AtOnce };

    private static string ProductOf(int at) => $"product-{at}";

    private static string UserOf(int at) => $"user-{at}";

    private static string CouponOf(int at) => $"coupon-{at}";
}
