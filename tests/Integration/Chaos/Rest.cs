using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Whether everything has come to its end: no order is open, and nothing is held.</summary>
internal sealed class Rest(ShopClients shop, Goods goods, Insistence insistence, IReadOnlyList<Placed> placed)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    private readonly Found found = new(shop, insistence);
    private readonly Queue<Placed> notSeenAtRest = new(placed);

    /// <summary>Completes when there is nothing left to wait for, or at the latest after <paramref name="most"/>.</summary>
    /// <returns>What has not come to its end.</returns>
    public async Task<IReadOnlyList<Breach>> WaitAsync(TimeSpan most)
    {
        var until = DateTime.UtcNow + most;
        while (true)
        {
            var open = await OpenAsync();
            if (open.Count == 0 || DateTime.UtcNow > until) return open;
            await Task.Delay(LookAgain);
        }
    }

    private async Task<IReadOnlyList<Breach>> OpenAsync()
    {
        List<Breach> open = [];
        var listed = await insistence.AnswerAsync(options => shop.Orders.ListOpenOrdersAsync(new() { PageSize = 1000 }, options));
        open.AddRange(listed.Orders.Select(order => new Breach(Harm.Stuck, order.OrderId, $"{order.Status}, waits for: {string.Join(", ", order.WaitsFor)}; next: {order.Next}")));
        if (open.Count > 0) return open;

        foreach (var id in Goods.Products)
        {
            var product = (await insistence.AnswerAsync(options => shop.Stock.GetProductAsync(new() { ProductId = id }, options))).Product;
            if (product.Held != 0) open.Add(new(Harm.Stuck, null, $"{product.Held} of product {id} are held"));
        }
        foreach (var user in Goods.Users)
        {
            var account = (await insistence.AnswerAsync(options => shop.Payments.GetAccountAsync(new() { UserId = user }, options))).Account;
            if (account.Held != 0) open.Add(new(Harm.Stuck, null, $"{account.Held} won of {user} are held"));
            foreach (var id in goods.CouponsOf(user))
            {
                var coupon = (await insistence.AnswerAsync(options => shop.Coupons.GetCouponAsync(new() { UserCouponId = id }, options))).Coupon;
                if (coupon.Status == CouponStatus.Held) open.Add(new(Harm.Stuck, null, $"coupon {id} is held"));
            }
        }
        return open.Count > 0 ? open : await HoldingAsync();
    }

    /// <summary>A participant's record may be behind what it says about, for a moment.</summary>
    private async Task<IReadOnlyList<Breach>> HoldingAsync()
    {
        for (; notSeenAtRest.TryPeek(out var order); notSeenAtRest.Dequeue())
        {
            if (await found.ReservationAsync(order.Id) is { Status: ReservationStatus.Reserved }) return [new(Harm.Stuck, order.Id, "its reservation is not final")];
            if (await found.PaymentAsync(order.Id) is { Status: PaymentStatus.Charged }) return [new(Harm.Stuck, order.Id, "its payment is not final")];
        }
        return [];
    }
}
