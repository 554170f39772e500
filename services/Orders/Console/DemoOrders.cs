using Google.Protobuf.WellKnownTypes;
using Wire = Shop.V1;

namespace Orders.Console;

/// <summary>An order to look at, as somebody wishes to see it.</summary>
/// <param name="Quantity">Of a product of which there are 10, at 10,000 won each.</param>
/// <param name="Balance">Won the customer has.</param>
/// <param name="Coupon">NONE; VALID or EXPIRED: 3,000 won off.</param>
/// <param name="SkipPrecheck">Leave every doubt to the saga.</param>
internal sealed record DemoWish(int Quantity, long Balance, string Coupon, bool SkipPrecheck);

/// <summary>Places such orders, each on a product, a customer and a coupon of its own.</summary>
internal sealed class DemoOrders(
    PlaceOrderHandler placing, TimeProvider clock,
    Wire.StockService.StockServiceClient stock, Wire.PaymentService.PaymentServiceClient payments, Wire.CouponService.CouponServiceClient coupons)
{
    private const long Price = 10_000, InitialStock = 10, Discount = 3_000;

    /// <summary>A service that takes longer to make a thing is given up.</summary>
    private static readonly TimeSpan MakingMax = TimeSpan.FromSeconds(5);

    public async Task<Order> PlaceAsync(DemoWish wish, CancellationToken ct)
    {
        new RequestCheck()
            .Range("quantity", wish.Quantity, 1, 1000)
            .Range("balance", wish.Balance, 0, 1_000_000_000_000)
            .Must(wish.Coupon is "NONE" or "VALID" or "EXPIRED", "coupon", $"must be NONE, VALID or EXPIRED, not '{wish.Coupon}'.")
            .ThrowIfInvalid();
        var now = clock.GetUtcNow();
        var run = Guid.CreateVersion7(now).ToString("N")[^8..];
        string product = $"demo-product-{run}", user = $"demo-user-{run}", coupon = $"demo-coupon-{run}";
        var options = new Grpc.Core.CallOptions(deadline: DateTime.UtcNow + MakingMax, cancellationToken: ct);
        await Task.WhenAll(
            stock.PutProductAsync(new() { ProductId = product, Name = "Demo product", Price = Price, InitialStock = InitialStock }, options).ResponseAsync,
            payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = wish.Balance }, options).ResponseAsync,
            wish.Coupon == "NONE" ? Task.CompletedTask : coupons.IssueCouponAsync(new()
            {
                UserCouponId = coupon,
                UserId = user,
                AmountOff = Discount,
                ValidUntil = Timestamp.FromDateTimeOffset(now.AddDays(wish.Coupon == "VALID" ? 1 : -1)),
            }, options).ResponseAsync);
        return await placing.PlaceAsync(new()
        {
            UserId = user,
            Items = { new Wire.OrderItem { ProductId = product, Quantity = wish.Quantity } },
            UserCouponId = wish.Coupon == "NONE" ? "" : coupon,
            SkipPrecheck = wish.SkipPrecheck,
        }, ct);
    }
}
