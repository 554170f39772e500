using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Whether everything has come to its end: no order is open, and nothing is held.</summary>
internal sealed class QuiescenceWaiter(ShopClients shop, ChaosCatalog catalog, RetryingClient retrying, IReadOnlyList<PlacedOrder> placed)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    private readonly RecordReader records = new(shop, retrying);
    private readonly Queue<PlacedOrder> notSeenAtRest = new(placed);

    /// <summary>Completes when there is nothing left to wait for, or at the latest after <paramref name="most"/>.</summary>
    /// <returns>What has not come to its end.</returns>
    public async Task<IReadOnlyList<InvariantViolation>> WaitAsync(TimeSpan most)
    {
        var until = DateTime.UtcNow + most;
        while (true)
        {
            var open = await OpenAsync();
            if (open.Count == 0 || DateTime.UtcNow > until) return open;
            await Task.Delay(LookAgain);
        }
    }

    private async Task<IReadOnlyList<InvariantViolation>> OpenAsync()
    {
        List<InvariantViolation> open = [];
        var listed = await retrying.CallAsync(options => shop.Orders.ListOpenOrdersAsync(new() { PageSize = 1000 }, options));
        open.AddRange(listed.Orders.Select(order => new InvariantViolation(ViolationKind.Stuck, order.OrderId, $"{order.Status}, waits for: {string.Join(", ", order.WaitsFor)}; next: {order.Next}")));
        if (open.Count > 0) return open;

        foreach (var id in ChaosCatalog.Products)
        {
            var product = (await retrying.CallAsync(options => shop.Stock.GetProductAsync(new() { ProductId = id }, options))).Product;
            if (product.Held != 0) open.Add(new(ViolationKind.Stuck, null, $"{product.Held} of product {id} are held"));
        }
        foreach (var user in ChaosCatalog.Users)
        {
            var account = (await retrying.CallAsync(options => shop.Payments.GetAccountAsync(new() { UserId = user }, options))).Account;
            if (account.Held != 0) open.Add(new(ViolationKind.Stuck, null, $"{account.Held} won of {user} are held"));
            foreach (var id in catalog.CouponsOf(user))
            {
                var coupon = (await retrying.CallAsync(options => shop.Coupons.GetCouponAsync(new() { UserCouponId = id }, options))).Coupon;
                if (coupon.Status == CouponStatus.Held) open.Add(new(ViolationKind.Stuck, null, $"coupon {id} is held"));
            }
        }
        return open.Count > 0 ? open : await HoldingAsync();
    }

    /// <summary>A participant's record may be behind what it says about, for a moment.</summary>
    private async Task<IReadOnlyList<InvariantViolation>> HoldingAsync()
    {
        for (; notSeenAtRest.TryPeek(out var order); notSeenAtRest.Dequeue())
        {
            if (await records.ReservationAsync(order.Id) is { Status: ReservationStatus.Reserved }) return [new(ViolationKind.Stuck, order.Id, "its reservation is not final")];
            if (await records.PaymentAsync(order.Id) is { Status: PaymentStatus.Charged }) return [new(ViolationKind.Stuck, order.Id, "its payment is not final")];
        }
        return [];
    }
}
