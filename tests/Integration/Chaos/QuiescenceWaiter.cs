using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Waits until no order is open and nothing is held.</summary>
internal sealed class QuiescenceWaiter(ShopClients shop, ChaosCatalog catalog, RetryingClient client, IReadOnlyList<PlacedOrder> placed)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);

    private readonly RecordReader records = new(shop, client);
    private readonly Queue<PlacedOrder> unconfirmed = new(placed);

    /// <summary>Waits at most <paramref name="timeout"/>.</summary>
    /// <returns>What is still open or held. Empty: nothing.</returns>
    public async Task<IReadOnlyList<InvariantViolation>> WaitAsync(TimeSpan timeout)
    {
        var until = DateTime.UtcNow + timeout;
        while (true)
        {
            var open = await FindOpenAsync();
            if (open.Count == 0 || DateTime.UtcNow > until) return open;
            await Task.Delay(PollInterval);
        }
    }

    private async Task<IReadOnlyList<InvariantViolation>> FindOpenAsync()
    {
        List<InvariantViolation> open = [];
        var listed = await client.CallAsync(options => shop.Orders.ListOpenOrdersAsync(new() { PageSize = 1000 }, options));
        open.AddRange(listed.Orders.Select(order => new InvariantViolation(ViolationKind.Stuck, order.OrderId,
            $"{order.Status}, waits for: {string.Join(", ", order.WaitsFor)}; next: {order.Next}")));
        if (open.Count > 0) return open;

        foreach (var id in ChaosCatalog.Products)
        {
            var product = (await client.CallAsync(options => shop.Stock.GetProductAsync(new() { ProductId = id }, options))).Product;
            if (product.Held != 0) open.Add(new(ViolationKind.Stuck, null, $"{product.Held} of product {id} are held"));
        }
        foreach (var user in ChaosCatalog.Users)
        {
            var account = (await client.CallAsync(options => shop.Payments.GetAccountAsync(new() { UserId = user }, options))).Account;
            if (account.Held != 0) open.Add(new(ViolationKind.Stuck, null, $"{account.Held} won of {user} are held"));
            foreach (var id in catalog.GetCoupons(user))
            {
                var coupon = (await client.CallAsync(options => shop.Coupons.GetCouponAsync(new() { UserCouponId = id }, options))).Coupon;
                if (coupon.Status == CouponStatus.Held) open.Add(new(ViolationKind.Stuck, null, $"coupon {id} is held"));
            }
        }
        return open.Count > 0 ? open : await FindReservedAsync();
    }

    /// <summary>The record of an order is written after the shared document; final records are read once.</summary>
    private async Task<IReadOnlyList<InvariantViolation>> FindReservedAsync()
    {
        for (; unconfirmed.TryPeek(out var order); unconfirmed.Dequeue())
        {
            if (await records.ReservationAsync(order.Id) is { Status: ReservationStatus.Reserved })
            {
                return [new(ViolationKind.Stuck, order.Id, "its reservation is not final")];
            }
            if (await records.PaymentAsync(order.Id) is { Status: PaymentStatus.Charged })
            {
                return [new(ViolationKind.Stuck, order.Id, "its payment is not final")];
            }
        }
        return [];
    }
}
