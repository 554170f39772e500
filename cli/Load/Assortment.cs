using Google.Protobuf.WellKnownTypes;
using Shop.V1;

namespace Shop.Load;

/// <summary>What a load buys: things of its own, so that nobody else's stock, money or coupon is touched.</summary>
internal sealed class Assortment
{
    private const int Products = 20, Users = 20;

    private static readonly (string Reason, Func<Assortment, PlaceOrderRequest> Request)[] Failing =
    [
        ("OUT_OF_STOCK", goods => goods.Order(goods.Name("user", 0), goods.Name("none"))),
        ("BALANCE_TOO_LOW", goods => goods.Order(goods.Name("poor"), goods.Name("product", 0))),
        ("COUPON_EXPIRED", goods => goods.Order(goods.Name("user", 0), goods.Name("product", 0), goods.Name("old"))),
    ];

    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    public async Task PutOnSaleAsync(ShopClients shop, CancellationToken stop)
    {
        for (var at = 0; at < Products; at++) await PutAsync(Name("product", at), 1_000_000_000);
        await PutAsync(Name("none"), 0);
        for (var at = 0; at < Users; at++) await OpenAsync(Name("user", at), 1_000_000_000_000);
        await OpenAsync(Name("poor"), 1);
        await shop.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = Name("old"),
            UserId = Name("user", 0),
            AmountOff = 100,
            ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(-1)),
        }, cancellationToken: stop);

        async Task PutAsync(string product, long stock) =>
            await shop.Stock.PutProductAsync(
                new() { ProductId = product, Name = "Thing of a load", Price = 1_000, InitialStock = stock }, cancellationToken: stop);

        async Task OpenAsync(string user, long won) =>
            await shop.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = won }, cancellationToken: stop);
    }

    /// <param name="failing">Percent of orders that are made to fail.</param>
    /// <returns>What to place, and the reason for which it will fail; empty: it will be confirmed.</returns>
    public (PlaceOrderRequest Request, string Fails) Order(int number, int failing)
    {
        // Evenly spread: number by number, whenever another whole one is due.
        if ((long)(number + 1) * failing / 100 > (long)number * failing / 100)
        {
            var (reason, request) = Failing[(int)((long)number * failing / 100 % Failing.Length)];
            return (request(this), reason);
        }
        return (Order(Name("user", Random.Shared.Next(Users)), Name("product", Random.Shared.Next(Products))), "");
    }

    private PlaceOrderRequest Order(string user, string product, string? coupon = null)
    {
        var item = new OrderItem { ProductId = product, Quantity = 1 };
        var request = new PlaceOrderRequest { UserId = user, Items = { item }, SkipPrecheck = true };
        if (coupon is not null) request.UserCouponId = coupon;
        return request;
    }

    private string Name(string kind, int at) => Name($"{kind}-{at}");

    private string Name(string kind) => $"load-{run}-{kind}";
}
