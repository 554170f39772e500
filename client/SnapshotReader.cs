using System.Collections.Concurrent;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>Reads one <see cref="ShopSnapshot"/>.</summary>
internal sealed class SnapshotReader(ShopClients shop, ShopSnapshot? previous, Action<int> progress, CancellationToken cancellationToken)
{
    private const int PageSize = 500, ConcurrencyMax = 32;

    private readonly ConcurrentDictionary<string, RpcException> unavailable = new();
    private readonly ConcurrentDictionary<string, string> unreadable = new();
    private readonly Dictionary<string, OrderRecords> orders = [];
    private DateTime? completeSince;

    public async Task<ShopSnapshot> ReadAsync()
    {
        var startTime = TimeProvider.System.GetUtcNow().UtcDateTime;
        var before = await ReadCatalogAsync();
        await TryReadAsync("Orders", ReadOrdersAsync);
        var after = await ReadCatalogAsync();
        var letters = await DeadLetterList.ReadAsync(shop, cancellationToken);
        foreach (var (service, fault) in letters.Unreachable)
        {
            if (fault.StatusCode == StatusCode.DataLoss) unreadable.TryAdd($"list of dead letters of {service.Name}", service.Name);
            else unavailable.TryAdd(service.Name, fault);
        }
        if (unavailable.Count == shop.Services.Count) throw unavailable.Values.First();
        return new(startTime, before, [.. orders.Values], completeSince, after)
        {
            DeadLetters = letters.Letters,
            Unreadable = unreadable,
            Unavailable = unavailable.ToDictionary(service => service.Key, service => RpcErrorText.Describe(service.Value)),
        };
    }

    /// <summary>Reads from a service; one that has failed once is not called again.</summary>
    private async Task TryReadAsync(string service, Func<Task> read)
    {
        if (unavailable.ContainsKey(service)) return;
        try
        {
            await read();
        }
        catch (RpcException fault) when (!cancellationToken.IsCancellationRequested)
        {
            if (fault.StatusCode == StatusCode.DataLoss) unreadable.TryAdd($"a list of {service}", service);
            unavailable.TryAdd(service, fault);
        }
    }

    private async Task ReadOrdersAsync()
    {
        var known = previous?.Orders.Where(order => order.IsFinal).ToDictionary(order => order.Order.OrderId) ?? [];
        var pages = Paging.ReadPagesAsync(
            token => shop.Orders.ListOrdersAsync(new() { PageSize = PageSize, PageToken = token }, cancellationToken: cancellationToken),
            page => page.NextPageToken);
        await foreach (var page in pages)
        {
            completeSince ??= page.CompleteSince?.ToDateTime();
            foreach (var id in page.UnreadableOrderIds) unreadable.TryAdd($"order {id}", "Orders");
            var records = new OrderRecords[page.Orders.Count];
            var limit = new ParallelOptions { MaxDegreeOfParallelism = ConcurrencyMax, CancellationToken = cancellationToken };
            await Parallel.ForAsync(0, records.Length, limit, async (at, ct) =>
            {
                var order = page.Orders[at];
                records[at] = known.TryGetValue(order.OrderId, out var final) ? final with { Order = order } : await ReadRecordsAsync(order, ct);
            });
            foreach (var order in records) orders[order.Order.OrderId] = order;
            progress(orders.Count);
        }
    }

    private async Task<OrderRecords> ReadRecordsAsync(Order order, CancellationToken ct)
    {
        Reservation? reservation = null;
        Payment? payment = null;
        await Task.WhenAll(
            TryReadAsync("Stock", async () => reservation =
                (await FindAsync(shop.Stock.GetReservationAsync(new() { OrderId = order.OrderId }, cancellationToken: ct)))?.Reservation),
            TryReadAsync("Payments", async () => payment =
                (await FindAsync(shop.Payments.GetPaymentAsync(new() { OrderId = order.OrderId }, cancellationToken: ct)))?.Payment));
        return new(order, reservation, payment);
    }

    private async Task<Catalog> ReadCatalogAsync()
    {
        Dictionary<string, Product> products = [];
        Dictionary<string, Account> accounts = [];
        Dictionary<string, Coupon> coupons = [];
        await Task.WhenAll(
            TryReadAsync("Stock", async () =>
            {
                var pages = Paging.ReadPagesAsync(
                    token => shop.Stock.ListProductsAsync(new() { PageSize = PageSize, PageToken = token }, cancellationToken: cancellationToken),
                    page => page.NextPageToken);
                await foreach (var page in pages)
                {
                    foreach (var product in page.Products) products[product.ProductId] = product;
                    foreach (var id in page.UnreadableProductIds) unreadable.TryAdd($"product {id}", "Stock");
                }
            }),
            TryReadAsync("Payments", async () =>
            {
                var pages = Paging.ReadPagesAsync(
                    token => shop.Payments.ListAccountsAsync(new() { PageSize = PageSize, PageToken = token }, cancellationToken: cancellationToken),
                    page => page.NextPageToken);
                await foreach (var page in pages)
                {
                    foreach (var account in page.Accounts) accounts[account.UserId] = account;
                    foreach (var id in page.UnreadableUserIds) unreadable.TryAdd($"account {id}", "Payments");
                }
            }),
            TryReadAsync("Coupons", async () =>
            {
                var pages = Paging.ReadPagesAsync(
                    token => shop.Coupons.ListCouponsAsync(new() { PageSize = PageSize, PageToken = token }, cancellationToken: cancellationToken),
                    page => page.NextPageToken);
                await foreach (var page in pages)
                {
                    foreach (var coupon in page.Coupons) coupons[coupon.UserCouponId] = coupon;
                    foreach (var id in page.UnreadableUserCouponIds) unreadable.TryAdd($"coupon {id}", "Coupons");
                }
            }));
        return new(products, accounts, coupons);
    }

    /// <returns>Null: NOT_FOUND.</returns>
    private static async Task<T?> FindAsync<T>(AsyncUnaryCall<T> call) where T : class
    {
        try
        {
            return await call;
        }
        catch (RpcException fault) when (fault.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }
}
