using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>A few products, two accounts and two coupons to try commands on.</summary>
internal static class DemoShop
{
    public const string User = "mina";

    private static readonly Timestamp ValidUntil = Timestamp.FromDateTime(new(2035, 12, 31, 23, 59, 59, DateTimeKind.Utc));

    private static readonly (string Id, string Name, long Price, long Stock)[] Products =
    [
        ("keyboard", "Mechanical keyboard", 89_000, 50),
        ("mouse", "Vertical mouse", 45_000, 80),
        ("lamp", "Desk lamp", 32_000, 25),
        ("last-chair", "Office chair, the last one", 310_000, 1),
        // For clients whose ids are numbers.
        ("1", "Notebook", 15_000, 100),
    ];

    private static readonly IssueCouponRequest[] Coupons =
    [
        new() { UserCouponId = "welcome-mina", UserId = User, PercentOff = new() { Percent = 10, MaxAmount = 20_000 }, ValidUntil = ValidUntil },
        new() { UserCouponId = "123", UserId = User, AmountOff = 5_000, ValidUntil = ValidUntil },
    ];

    /// <summary>Creates them. Idempotent.</summary>
    public static async Task FillAsync(ShopClients shop, CancellationToken ct)
    {
        foreach (var (id, name, price, stock) in Products)
        {
            await shop.Stock.PutProductAsync(new() { ProductId = id, Name = name, Price = price, InitialStock = stock }, cancellationToken: ct);
        }
        await OnceAsync(shop.Payments.OpenAccountAsync(new() { UserId = User, InitialDeposit = 1_000_000 }, cancellationToken: ct));
        await OnceAsync(shop.Payments.OpenAccountAsync(new() { UserId = "jun", InitialDeposit = 20_000 }, cancellationToken: ct));
        foreach (var coupon in Coupons) await OnceAsync(shop.Coupons.IssueCouponAsync(coupon, cancellationToken: ct));
    }

    private static async Task OnceAsync<T>(AsyncUnaryCall<T> call)
    {
        try
        {
            await call;
        }
        catch (RpcException exists) when (exists.StatusCode == StatusCode.AlreadyExists)
        {
        }
    }
}
