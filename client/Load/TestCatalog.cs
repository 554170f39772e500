using Google.Protobuf.WellKnownTypes;
using Shop.V1;

namespace Shop.Load;

/// <summary>Products, accounts and a coupon of one load, with ids of their own, so that a load changes nothing else in the shop.</summary>
public sealed class TestCatalog
{
    private const int Products = 20, Users = 20;

    private static readonly (string Reason, Func<TestCatalog, PlaceOrderRequest> Create)[] FailingOrders =
    [
        ("OUT_OF_STOCK", catalog => CreateOrder(catalog.GetId("user", 0), catalog.GetId("none"))),
        ("BALANCE_TOO_LOW", catalog => CreateOrder(catalog.GetId("poor"), catalog.GetId("product", 0))),
        ("COUPON_EXPIRED", catalog => CreateOrder(catalog.GetId("user", 0), catalog.GetId("product", 0), catalog.GetId("old"))),
    ];

    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    /// <summary>Creates the products, accounts and the coupon. Once, before the first order.</summary>
    /// <exception cref="Grpc.Core.RpcException">A call failed, or <paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task CreateAsync(ShopClients shop, CancellationToken cancellationToken)
    {
        for (var at = 0; at < Products; at++) await PutAsync(GetId("product", at), 1_000_000_000);
        await PutAsync(GetId("none"), 0);
        for (var at = 0; at < Users; at++) await OpenAsync(GetId("user", at), 1_000_000_000_000);
        await OpenAsync(GetId("poor"), 1);
        await shop.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = GetId("old"),
            UserId = GetId("user", 0),
            AmountOff = 100,
            ValidUntil = Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddDays(-1)),
        }, cancellationToken: cancellationToken);

        async Task PutAsync(string product, long stock) =>
            await shop.Stock.PutProductAsync(
                new() { ProductId = product, Name = "Thing of a load", Price = 1_000, InitialStock = stock }, cancellationToken: cancellationToken);

        async Task OpenAsync(string user, long won) =>
            await shop.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = won }, cancellationToken: cancellationToken);
    }

    /// <summary>Creates the request of one order.</summary>
    /// <param name="number">Number of the order in the load, from 0: decides whether it fails, and why.</param>
    /// <param name="failing">Percentage of orders that fail, 0 to 100; they are spread evenly.</param>
    /// <returns>The request, and the reason for which the order will fail; empty: it will be confirmed.</returns>
    public (PlaceOrderRequest Request, string Reason) CreateOrder(int number, int failing)
    {
        var failingBefore = (long)number * failing / 100;
        if ((long)(number + 1) * failing / 100 > failingBefore)
        {
            var (reason, create) = FailingOrders[(int)(failingBefore % FailingOrders.Length)];
            return (create(this), reason);
        }
        return (CreateOrder(GetId("user", Random.Shared.Next(Users)), GetId("product", Random.Shared.Next(Products))), "");
    }

    private static PlaceOrderRequest CreateOrder(string user, string product, string? coupon = null)
    {
        var item = new OrderItem { ProductId = product, Quantity = 1 };
        var request = new PlaceOrderRequest { UserId = user, Items = { item }, SkipPrecheck = true };
        if (coupon is not null) request.UserCouponId = coupon;
        return request;
    }

    private string GetId(string kind, int at) => GetId($"{kind}-{at}");

    private string GetId(string kind) => $"load-{run}-{kind}";
}
