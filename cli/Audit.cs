using Shop.V1;

namespace Shop;

/// <summary>Something that must be true, and what is not.</summary>
/// <param name="Sums">What was added up.</param>
/// <param name="Breaches">Each names the order, product, account or coupon.</param>
internal sealed record Invariant(string Name, string Sums, IReadOnlyList<string> Breaches)
{
    public bool Holds => Breaches.Count == 0;
}

/// <summary>Whether orders, stock, accounts and coupons tell one story. Pure.</summary>
internal static class Audit
{
    /// <summary>Clocks of different machines may differ by so much.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);

    /// <param name="deadline">Of an order; nothing should be on its way for much longer.</param>
    public static IReadOnlyList<Invariant> Of(Books books, TimeSpan deadline) =>
    [
        Stock(books.After.Products.Values),
        Money(books.After.Accounts.Values),
        Sold(books),
        Spent(books),
        Coupons(books),
        Confirmed(books),
        Failed(books),
        Waiting(books, 2 * deadline + ClockSkew),
        Held(books),
    ];

    private static Invariant Stock(IEnumerable<Product> products) => new("stock adds up",
        Sums(products, "products", product => $"{product.Sum(p => p.Stocked):N0} stocked = {product.Sum(p => p.Available):N0} available + {product.Sum(p => p.Held):N0} held + {product.Sum(p => p.Sold):N0} sold"),
        [.. products.Where(p => p.Available + p.Held + p.Sold != p.Stocked || p.Available < 0 || p.Held < 0 || p.Sold < 0)
            .Select(p => $"product {p.ProductId}: {p.Stocked} stocked, but {p.Available} available + {p.Held} held + {p.Sold} sold")]);

    private static Invariant Money(IEnumerable<Account> accounts) => new("money adds up",
        Sums(accounts, "accounts", account => $"{account.Sum(a => a.Deposited):N0} won deposited = {account.Sum(a => a.Balance):N0} balance + {account.Sum(a => a.Held):N0} held + {account.Sum(a => a.Spent):N0} spent"),
        [.. accounts.Where(a => a.Balance + a.Held + a.Spent != a.Deposited || a.Balance < 0 || a.Held < 0 || a.Spent < 0)
            .Select(a => $"account {a.UserId}: {a.Deposited} won deposited, but {a.Balance} balance + {a.Held} held + {a.Spent} spent")]);

    private static Invariant Sold(Books books)
    {
        var taken = books.Orders.Where(order => order.Reservation?.Status == ReservationStatus.Settled).SelectMany(order => order.Order.Items)
            .GroupBy(item => item.ProductId).ToDictionary(items => items.Key, items => items.Sum(item => (long)item.Quantity));
        return Between(books, "sold is what settled orders took", "pieces", taken, books.Before.Products, books.After.Products, product => product.Sold, "product");
    }

    private static Invariant Spent(Books books)
    {
        var taken = books.Orders.Where(order => order.Payment?.Status == PaymentStatus.Settled)
            .GroupBy(order => order.Order.UserId).ToDictionary(orders => orders.Key, orders => orders.Sum(order => order.Order.FinalAmount));
        return Between(books, "spent is what settled orders cost", "won", taken, books.Before.Accounts, books.After.Accounts, account => account.Spent, "account");
    }

    private static Invariant Coupons(Books books)
    {
        var users = books.Orders.Where(order => order.Order is { Status: OrderStatus.Confirmed, HasUserCouponId: true }).ToLookup(order => order.Order.UserCouponId, order => order.Order.OrderId);
        var used = books.Before.Coupons.Values.Where(coupon => coupon.Status == CouponStatus.Used).ToArray();
        return new("a coupon is used by one confirmed order", $"{books.After.Coupons.Count:N0} coupons, {used.Length:N0} used, {users.Count:N0} in confirmed orders",
        [
            .. users.Where(orders => orders.Count() > 1).Select(orders => $"coupon {orders.Key}: used by the orders {string.Join(", ", orders)}"),
            .. users.Where(orders => !books.After.Coupons.TryGetValue(orders.Key, out var coupon) || coupon.Status == CouponStatus.Available)
                .Select(orders => $"coupon {orders.Key}: order {orders.First()} is confirmed with it, and it is not taken"),
            .. used.Where(coupon => books.CompleteSince is null && !users.Contains(coupon.UserCouponId)).Select(coupon => $"coupon {coupon.UserCouponId}: used, but by no confirmed order"),
        ]);
    }

    private static Invariant Confirmed(Books books)
    {
        var confirmed = books.Orders.Where(order => order.Order.Status == OrderStatus.Confirmed).ToArray();
        return new("a confirmed order has its goods and is paid", $"{confirmed.Length:N0} orders, {confirmed.Sum(order => order.Order.FinalAmount):N0} won",
        [
            .. confirmed.Where(order => order.Reservation is not { Status: ReservationStatus.Reserved or ReservationStatus.Settled } || !Same(order.Reservation.Items, order.Order.Items))
                .Select(order => $"order {order.Order.OrderId}: confirmed, and its reservation is {Told(order.Reservation)}"),
            .. confirmed.Where(order => order.Payment is not { Status: PaymentStatus.Charged or PaymentStatus.Settled }
                    || (order.Payment.UserId, order.Payment.Amount) != (order.Order.UserId, order.Order.FinalAmount))
                .Select(order => $"order {order.Order.OrderId}: confirmed for {order.Order.FinalAmount} won of {order.Order.UserId}, and its payment is {Told(order.Payment)}"),
        ]);
    }

    private static Invariant Failed(Books books)
    {
        var failed = books.Orders.Where(order => order.Order is { Status: OrderStatus.Failed, Settled: true }).ToArray();
        return new("a failed order holds nothing", $"{failed.Length:N0} orders",
        [
            .. failed.Where(order => order.Reservation is { Status: ReservationStatus.Reserved or ReservationStatus.Settled })
                .Select(order => $"order {order.Order.OrderId}: failed, and its reservation is {Told(order.Reservation)}"),
            .. failed.Where(order => order.Payment is { Status: PaymentStatus.Charged or PaymentStatus.Settled })
                .Select(order => $"order {order.Order.OrderId}: failed, and its payment is {Told(order.Payment)}"),
        ]);
    }

    private static Invariant Waiting(Books books, TimeSpan most)
    {
        var open = books.Orders.Where(order => !order.Order.Settled).ToArray();
        return new("no order waits for ever", $"{open.Length:N0} open of {books.Orders.Count:N0} orders",
            [.. open.Where(order => books.Begun - order.Order.PlacedTime.ToDateTime() > most)
                .Select(order => $"order {order.Order.OrderId}: {order.Order.Status.ToString().ToUpperInvariant()} since {order.Order.PlacedTime.ToDateTime():u}{(order.Order.Compensation.Length > 0 ? $", {order.Order.Compensation}" : "")}")]);
    }

    private static Invariant Held(Books books)
    {
        // Whoever held something when reading began holds it still, or has changed since.
        var since = books.Begun - ClockSkew;
        var pieces = books.Orders.Where(order => order.Reservation is { } reservation && (reservation.Status == ReservationStatus.Reserved || reservation.UpdateTime.ToDateTime() >= since) || !order.Order.Settled)
            .SelectMany(order => order.Order.Items).GroupBy(item => item.ProductId).ToDictionary(items => items.Key, items => items.Sum(item => (long)item.Quantity));
        var won = books.Orders.Where(order => order.Payment is { } payment && (payment.Status == PaymentStatus.Charged || payment.UpdateTime.ToDateTime() >= since) || !order.Order.Settled)
            .GroupBy(order => order.Order.UserId).ToDictionary(orders => orders.Key, orders => orders.Sum(order => order.Order.FinalAmount));
        return new("what is held is held for an order",
            $"{books.Before.Products.Values.Sum(product => product.Held):N0} pieces, {books.Before.Accounts.Values.Sum(account => account.Held):N0} won",
        [
            .. books.Before.Products.Values.Where(product => product.Held > pieces.GetValueOrDefault(product.ProductId))
                .Select(product => $"product {product.ProductId}: {product.Held} held, {pieces.GetValueOrDefault(product.ProductId)} of them for an order"),
            .. books.Before.Accounts.Values.Where(account => account.Held > won.GetValueOrDefault(account.UserId))
                .Select(account => $"account {account.UserId}: {account.Held} won held, {won.GetValueOrDefault(account.UserId)} of them for an order"),
        ]);
    }

    /// <summary>What was gone before must be in the orders, unless they are forgotten, and what is in the orders must be gone afterwards.</summary>
    private static Invariant Between<T>(Books books, string name, string unit, Dictionary<string, long> taken,
        IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after, Func<T, long> gone, string what)
    {
        List<string> breaches = [];
        foreach (var id in before.Keys.Union(after.Keys).Union(taken.Keys))
        {
            var least = books.CompleteSince is null && before.TryGetValue(id, out var first) ? gone(first) : 0;
            var most = after.TryGetValue(id, out var last) ? gone(last) : 0;
            var said = taken.GetValueOrDefault(id);
            if (said < least || said > most) breaches.Add($"{what} {id}: {(least == most ? $"{most}" : $"{least} to {most}")} {unit} gone, {said} by settled orders");
        }
        var forgotten = books.CompleteSince is { } since ? $"; orders before {since:u} are forgotten, so there may be more gone than orders show" : "";
        return new(name, $"{after.Values.Sum(gone):N0} {unit} gone, {taken.Values.Sum():N0} by settled orders{forgotten}", breaches);
    }

    private static string Sums<T>(IEnumerable<T> all, string what, Func<IEnumerable<T>, string> sums) => $"{all.Count():N0} {what}: {sums(all)}";

    private static bool Same(IEnumerable<OrderLine> one, IEnumerable<OrderLine> other) =>
        one.Select(line => (line.ProductId, line.Quantity)).Order().SequenceEqual(other.Select(line => (line.ProductId, line.Quantity)).Order());

    private static string Told(Reservation? reservation) =>
        reservation is null ? "absent" : $"{reservation.Status.ToString().ToUpperInvariant()} for {string.Join(", ", reservation.Items.Select(item => $"{item.Quantity} {item.ProductId}"))}";

    private static string Told(Payment? payment) => payment is null ? "absent" : $"{payment.Status.ToString().ToUpperInvariant()}, {payment.Amount} won of {payment.UserId}";
}
