using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>What there is to compete for: few products, accounts that cover some orders only, coupons that several orders want. More comes all the time.</summary>
internal sealed class ChaosCatalog(ShopClients shop, RetryingClient retrying)
{
    public const long Price = 1_000;

    private const int PiecesAtFirst = 150, PiecesMax = 24;
    private const long WonAtFirst = 40_000, WonMax = 20_000, CouponOff = 500;

    public static readonly string[] Products = ["apple", "pear", "plum", "fig"];
    public static readonly string[] Users = ["ann", "bob", "cho", "dan", "eun", "poor-fred"];

    private readonly ConcurrentDictionary<string, long> stocked = new();
    private readonly ConcurrentDictionary<string, long> deposited = new();
    private readonly ConcurrentDictionary<string, List<string>> coupons = new();

    /// <summary>Pieces that there must be of a product, wherever they are now.</summary>
    public long Stocked(string product) => stocked[product];

    /// <summary>Won that a user must have, wherever they are now.</summary>
    public long Deposited(string user) => deposited[user];

    /// <summary>The coupons issued to a user, oldest first.</summary>
    public string[] CouponsOf(string user)
    {
        if (!coupons.TryGetValue(user, out var issued)) return [];
        lock (issued) return [.. issued];
    }

    public async Task OpenAsync()
    {
        foreach (var product in Products)
        {
            await retrying.CallAsync(options => shop.Stock.PutProductAsync(
                new() { ProductId = product, Name = product, Price = Price, InitialStock = PiecesAtFirst, IdempotencyKey = "open" }, options));
            stocked[product] = PiecesAtFirst;
        }
        foreach (var user in Users)
        {
            await retrying.CallAsync(options => shop.Payments.OpenAccountAsync(
                new() { UserId = user, InitialDeposit = WonAtFirst, IdempotencyKey = "open" }, options));
            deposited[user] = WonAtFirst;
        }
    }

    /// <summary>Delivers pieces, deposits won and issues coupons until told to stop; each is a command with a key, given again until it is answered.</summary>
    public async Task SupplyAsync(Random random, CancellationToken over)
    {
        for (var round = 0; !over.IsCancellationRequested; round++)
        {
            var (product, pieces, key) = (random.GetItems(Products, 1)[0], random.Next(1, PiecesMax), $"supply-{round}");
            await retrying.CallAsync(options => shop.Stock.AdjustStockAsync(new() { ProductId = product, Delta = pieces, IdempotencyKey = key }, options));
            stocked[product] += pieces;

            var (user, won) = (Users[random.Next(Users.Length - 1)], random.NextInt64(1, WonMax));
            await retrying.CallAsync(options => shop.Payments.DepositAsync(new() { UserId = user, Amount = won, IdempotencyKey = key }, options));
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
        await retrying.CallAsync(options => shop.Coupons.IssueCouponAsync(request, options));
        var issued = coupons.GetOrAdd(user, _ => []);
        lock (issued) issued.Add(coupon);
    }
}
