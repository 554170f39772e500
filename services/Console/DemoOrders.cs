using Google.Protobuf.WellKnownTypes;
using Shop.V1;

namespace ShopConsole;

/// <summary>A demo order as the page requests it.</summary>
/// <param name="Quantity">Pieces, 1 to 1000, of a product with a stock of 10 at 10,000 won each.</param>
/// <param name="Balance">The customer's balance in won, 0 to 10^12.</param>
/// <param name="Coupon">NONE; VALID or EXPIRED: 3,000 won off.</param>
/// <param name="SkipPrecheck">As in PlaceOrderRequest.</param>
internal sealed record DemoOrderRequest(int Quantity, long Balance, string Coupon, bool SkipPrecheck);

/// <summary>Places demo orders, each with a new product, a new customer and a new coupon.</summary>
internal sealed class DemoOrders(
    TimeProvider clock, OrderService.OrderServiceClient orders, StockService.StockServiceClient stock, PaymentService.PaymentServiceClient payments,
    CouponService.CouponServiceClient coupons)
{
    private const long Price = 10_000, InitialStock = 10, Discount = 3_000;

    public async Task<PlaceOrderResponse> PlaceAsync(DemoOrderRequest request, CancellationToken ct)
    {
        new RequestCheck()
            .Range("quantity", request.Quantity, 1, 1000)
            .Range("balance", request.Balance, 0, 1_000_000_000_000)
            .Must(request.Coupon is "NONE" or "VALID" or "EXPIRED", "coupon", $"must be NONE, VALID or EXPIRED, not '{request.Coupon}'.")
            .ThrowIfInvalid();
        var now = clock.GetUtcNow();
        var run = Guid.CreateVersion7(now).ToString("N")[^8..];
        string product = $"demo-product-{run}", user = $"demo-user-{run}", coupon = $"demo-coupon-{run}";
        var options = Calls.Options(clock, ct);
        await Task.WhenAll(
            stock.PutProductAsync(new() { ProductId = product, Name = "Demo product", Price = Price, InitialStock = InitialStock }, options).ResponseAsync,
            payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = request.Balance }, options).ResponseAsync,
            request.Coupon == "NONE" ? Task.CompletedTask : coupons.IssueCouponAsync(new()
            {
                UserCouponId = coupon,
                UserId = user,
                AmountOff = Discount,
                ValidUntil = Timestamp.FromDateTimeOffset(now.AddDays(request.Coupon == "VALID" ? 1 : -1)),
            }, options).ResponseAsync);
        return await orders.PlaceOrderAsync(new()
        {
            UserId = user,
            Items = { new OrderItem { ProductId = product, Quantity = request.Quantity } },
            UserCouponId = request.Coupon == "NONE" ? "" : coupon,
            SkipPrecheck = request.SkipPrecheck,
        }, Calls.Options(clock, ct));
    }
}
