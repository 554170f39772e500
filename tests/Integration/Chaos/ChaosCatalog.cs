using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Scarce products, accounts and coupons that customers compete for, with a continuous supply of more.</summary>
internal sealed class ChaosCatalog(ShopClients shop, RetryingClient client)
{
    public const long Price = 1_000;

    private const int PiecesInitial = 150, PiecesMax = 24;
    private const long WonInitial = 40_000, WonMax = 20_000, CouponOff = 500;

    public static readonly string[] Products = ["apple", "pear", "plum", "fig"];
    public static readonly string[] Users = ["ann", "bob", "cho", "dan", "eun", "poor-fred"];

    private readonly ConcurrentDictionary<string, long> stocked = new();
    private readonly ConcurrentDictionary<string, long> deposited = new();
    private readonly ConcurrentDictionary<string, List<string>> coupons = new();

    /// <summary>All pieces of a product: available, held and sold.</summary>
    public long GetStocked(string product) => stocked[product];

    /// <summary>All won of a user: balance, held and spent.</summary>
    public long GetDeposited(string user) => deposited[user];

    /// <summary>The coupons issued to a user, oldest first.</summary>
    public string[] GetCoupons(string user)
    {
        if (!coupons.TryGetValue(user, out var issued)) return [];
        lock (issued) return [.. issued];
    }

    public async Task OpenAsync()
    {
        foreach (var product in Products)
        {
            await client.CallAsync(options => shop.Stock.PutProductAsync(
                new() { ProductId = product, Name = product, Price = Price, InitialStock = PiecesInitial, IdempotencyKey = $"open {product}" }, options));
            stocked[product] = PiecesInitial;
        }
        foreach (var user in Users)
        {
            await client.CallAsync(options => shop.Payments.OpenAccountAsync(
                new() { UserId = user, InitialDeposit = WonInitial, IdempotencyKey = $"open {user}" }, options));
            deposited[user] = WonInitial;
        }
    }

    /// <summary>Adds pieces, won and coupons until cancelled, by commands with a key that are retried until they are answered.</summary>
    public async Task SupplyAsync(Random random, CancellationToken loadEnd)
    {
        for (var round = 0; !loadEnd.IsCancellationRequested; round++)
        {
            var (product, pieces, key) = (random.GetItems(Products, 1)[0], random.Next(1, PiecesMax), $"supply-{round}");
            await client.CallAsync(options => shop.Stock.AdjustStockAsync(new() { ProductId = product, Delta = pieces, IdempotencyKey = key }, options));
            stocked[product] += pieces;

            var (user, won) = (Users[random.Next(Users.Length - 1)], random.NextInt64(1, WonMax));
            await client.CallAsync(options => shop.Payments.DepositAsync(new() { UserId = user, Amount = won, IdempotencyKey = key }, options));
            deposited[user] += won;

            await IssueAsync(user, $"coupon-{round}");
            await Task.Delay(random.Next(400), CancellationToken.None);
        }
    }

    private async Task IssueAsync(string user, string coupon)
    {
        var request = new IssueCouponRequest
        {
            UserCouponId = coupon,
            UserId = user,
            AmountOff = CouponOff,
            ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
            IdempotencyKey = coupon,
        };
        await client.CallAsync(options => shop.Coupons.IssueCouponAsync(request, options));
        var issued = coupons.GetOrAdd(user, _ => []);
        lock (issued) issued.Add(coupon);
    }
}
