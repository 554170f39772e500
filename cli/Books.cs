using System.Collections.Concurrent;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>An order, and what Stock and Payments say about it.</summary>
/// <param name="Reservation">Null: Stock has none.</param>
/// <param name="Payment">Null: Payments has none.</param>
internal sealed record BookedOrder(Order Order, Reservation? Reservation, Payment? Payment)
{
    /// <summary>What both say will never be anything else.</summary>
    public bool IsFinal =>
        Reservation?.Status is ReservationStatus.Settled or ReservationStatus.Released or ReservationStatus.Rejected
        && Payment?.Status is PaymentStatus.Settled or PaymentStatus.Refunded or PaymentStatus.Declined;
}

/// <summary>Everything that clients can read, read from a shop that may be at work.</summary>
/// <remarks>
/// Products, accounts and coupons are read twice, before the orders and after: what is sold and spent only grows, so what the orders say
/// must lie between the two, and at rest all three are the same. A service that does not answer is left out, and is in <see cref="Away"/>.
/// </remarks>
/// <param name="Begun">When reading began.</param>
/// <param name="CompleteSince">Orders that had come to rest before are forgotten. Null: none is.</param>
internal sealed record Books(DateTime Begun, Goods Before, IReadOnlyList<BookedOrder> Orders, DateTime? CompleteSince, Goods After)
{
    private const int Page = 500, AtOnce = 32;

    /// <summary>Those that wait for somebody.</summary>
    public IReadOnlyList<DeadLetter> DeadLetters { get; init; } = [];

    /// <summary>Services that could not be read, and why: "Stock".</summary>
    public IReadOnlyDictionary<string, string> Away { get; init; } = new Dictionary<string, string>();

    public bool Has(string service) => !Away.ContainsKey(service);

    /// <param name="before">What was read before: records that were final then are not read again. Null: nothing was.</param>
    /// <param name="progress">Told the number of orders read so far.</param>
    /// <exception cref="RpcException">No service answers.</exception>
    public static async Task<Books> ReadAsync(ShopClients shop, Books? before, Action<int> progress, CancellationToken stop) =>
        await new Reading(shop, before, progress, stop).AllAsync();

    private sealed class Reading(ShopClients shop, Books? earlier, Action<int> progress, CancellationToken stop)
    {
        private readonly ConcurrentDictionary<string, RpcException> away = new();
        private readonly Dictionary<string, BookedOrder> orders = [];
        private DateTime? completeSince;

        public async Task<Books> AllAsync()
        {
            var begun = DateTime.UtcNow;
            var before = await GoodsAsync();
            await OfAsync("Orders", OrdersAsync);
            var after = await GoodsAsync();
            var letters = await WaitingLetters.ReadAsync(shop, stop);
            if (away.Count == shop.Services.Count) throw away.Values.First();
            return new(begun, before, [.. orders.Values], completeSince, after)
            {
                DeadLetters = letters.Letters,
                Away = away.ToDictionary(one => one.Key, one => Refusal.Of(one.Value)),
            };
        }

        /// <summary>Reads what one service has, unless it is away.</summary>
        private async Task OfAsync(string service, Func<Task> read)
        {
            if (away.ContainsKey(service)) return;
            try
            {
                await read();
            }
            catch (RpcException fault) when (!stop.IsCancellationRequested)
            {
                away.TryAdd(service, fault);
            }
        }

        private async Task OrdersAsync()
        {
            var known = earlier?.Orders.Where(order => order.IsFinal).ToDictionary(order => order.Order.OrderId) ?? [];
            await foreach (var page in Pages.OfAsync(token => shop.Orders.ListOrdersAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
            {
                completeSince ??= page.CompleteSince?.ToDateTime();
                var booked = new BookedOrder[page.Orders.Count];
                await Parallel.ForAsync(0, booked.Length, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stop }, async (at, cancel) =>
                {
                    var order = page.Orders[at];
                    booked[at] = known.TryGetValue(order.OrderId, out var final) ? final with { Order = order } : await BookedAsync(order, cancel);
                });
                foreach (var order in booked) orders[order.Order.OrderId] = order;
                progress(orders.Count);
            }
        }

        private async Task<BookedOrder> BookedAsync(Order order, CancellationToken cancel)
        {
            Reservation? reservation = null;
            Payment? payment = null;
            await Task.WhenAll(
                OfAsync("Stock", async () => reservation = (await FoundAsync(shop.Stock.GetReservationAsync(new() { OrderId = order.OrderId }, cancellationToken: cancel)))?.Reservation),
                OfAsync("Payments", async () => payment = (await FoundAsync(shop.Payments.GetPaymentAsync(new() { OrderId = order.OrderId }, cancellationToken: cancel)))?.Payment));
            return new(order, reservation, payment);
        }

        private async Task<Goods> GoodsAsync()
        {
            Dictionary<string, Product> products = [];
            Dictionary<string, Account> accounts = [];
            Dictionary<string, Coupon> coupons = [];
            await Task.WhenAll(
                OfAsync("Stock", async () =>
                {
                    await foreach (var page in Pages.OfAsync(token => shop.Stock.ListProductsAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
                    {
                        foreach (var product in page.Products) products[product.ProductId] = product;
                    }
                }),
                OfAsync("Payments", async () =>
                {
                    await foreach (var page in Pages.OfAsync(token => shop.Payments.ListAccountsAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
                    {
                        foreach (var account in page.Accounts) accounts[account.UserId] = account;
                    }
                }),
                OfAsync("Coupons", async () =>
                {
                    await foreach (var page in Pages.OfAsync(token => shop.Coupons.ListCouponsAsync(new() { PageSize = Page, PageToken = token }, cancellationToken: stop), page => page.NextPageToken))
                    {
                        foreach (var coupon in page.Coupons) coupons[coupon.UserCouponId] = coupon;
                    }
                }));
            return new(products, accounts, coupons);
        }

        private static async Task<T?> FoundAsync<T>(AsyncUnaryCall<T> call) where T : class
        {
            try
            {
                return await call;
            }
            catch (RpcException none) when (none.StatusCode == StatusCode.NotFound)
            {
                return null;
            }
        }
    }
}

/// <summary>What is sold, paid with and taken off, by id.</summary>
internal sealed record Goods(IReadOnlyDictionary<string, Product> Products, IReadOnlyDictionary<string, Account> Accounts, IReadOnlyDictionary<string, Coupon> Coupons);
