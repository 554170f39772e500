using System.Globalization;
using Shop.V1;

namespace Shop;

/// <summary>Whether orders, stock, accounts and coupons tell one story. Pure.</summary>
/// <remarks>
/// Between an order's end and the last write of a participant the records differ, for a moment or, when somebody died there, until the
/// event is delivered again or a sweep finds the hold. Such a difference is under way as long as an order explains it that is not overdue.
/// </remarks>
internal static class Audit
{
    private const string Orders = "Orders", Stock = "Stock", Payments = "Payments", Coupons = "Coupons";

    /// <param name="deadline">Of an order; nothing should be on its way for much longer.</param>
    public static IReadOnlyList<Invariant> Of(Books books, TimeSpan deadline)
    {
        var lateness = new Lateness(deadline);
        var (pieces, won) = (books.Orders.SelectMany(Share.OfProducts).ToLookup(share => share.Of), books.Orders.SelectMany(Share.OfAccounts).ToLookup(share => share.Of));
        return
        [
            StockAddsUp(books),
            MoneyAddsUp(books),
            Gone(books, lateness, "sold is what settled orders took", Stock, "pieces", pieces, books.Before.Products, books.After.Products, product => product.Sold, "product"),
            Gone(books, lateness, "spent is what settled orders cost", Payments, "won", won, books.Before.Accounts, books.After.Accounts, account => account.Spent, "account"),
            CouponsUsed(books),
            Confirmed(books),
            Settled(books, lateness),
            Failed(books),
            Waiting(books, lateness),
            Held(books, lateness, pieces, won),
            Letters(books),
        ];
    }

    private static Invariant StockAddsUp(Books books)
    {
        var all = books.After.Products.Values.ToArray();
        return Judged(books, "stock adds up",
            $"{all.Length:N0} products: {all.Sum(p => p.Stocked):N0} stocked = {all.Sum(p => p.Available):N0} available + {all.Sum(p => p.Held):N0} held + {all.Sum(p => p.Sold):N0} sold",
            (Stock, all.Where(p => p.Available + p.Held + p.Sold != p.Stocked || p.Available < 0 || p.Held < 0 || p.Sold < 0)
                .Select(p => Broken($"product {p.ProductId}", $"{p.Stocked} stocked, but {p.Available} available + {p.Held} held + {p.Sold} sold"))));
    }

    private static Invariant MoneyAddsUp(Books books)
    {
        var all = books.After.Accounts.Values.ToArray();
        return Judged(books, "money adds up",
            $"{all.Length:N0} accounts: {all.Sum(a => a.Deposited):N0} won deposited = {all.Sum(a => a.Balance):N0} balance + {all.Sum(a => a.Held):N0} held + {all.Sum(a => a.Spent):N0} spent",
            (Payments, all.Where(a => a.Balance + a.Held + a.Spent != a.Deposited || a.Balance < 0 || a.Held < 0 || a.Spent < 0)
                .Select(a => Broken($"account {a.UserId}", $"{a.Deposited} won deposited, but {a.Balance} balance + {a.Held} held + {a.Spent} spent"))));
    }

    /// <summary>What was gone before must be in the orders, unless they are forgotten, and what is in the orders must be gone afterwards.</summary>
    private static Invariant Gone<T>(Books books, Lateness lateness, string name, string service, string unit, ILookup<string, Share> shares,
        IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after, Func<T, long> gone, string what)
    {
        Discrepancy? OfOne(string id)
        {
            var least = books.CompleteSince is null && before.TryGetValue(id, out var first) ? gone(first) : 0;
            var most = after.TryGetValue(id, out var last) ? gone(last) : 0;
            var settled = shares[id].Where(share => share.State == ShareState.Settled).ToArray();
            var (said, subject) = (settled.Sum(share => share.Amount), $"{what} {id}");
            var seen = $"{(least == most ? $"{most}" : $"{least} to {most}")} {unit} gone, {said} by settled orders";
            // The document may be ahead of records that are not settled yet, or behind records that just were.
            var (missing, explain) = said < least
                ? (least - said, shares[id].Where(share => share.IsSettling).Select(share => (share, Cause: FinalOf(share.Order))))
                : (said - most, settled.Select(share => (share, Cause: share.Changed!.Value)));
            if (missing <= 0) return null;
            var fresh = explain.Where(one => !lateness.IsOverdue(one.Cause, books.Begun)).ToArray();
            return fresh.Sum(one => one.share.Amount) < missing
                ? Broken(subject, seen)
                : new(subject, $"{subject}: {seen}; being settled: {string.Join(", ", fresh.Select(one => NameOf(one.share.Order)))}", lateness.DueAfter(fresh.Max(one => one.Cause)));
        }

        var forgotten = books.CompleteSince is { } since ? $"; orders before {since:u} are forgotten, so there may be more gone than orders show" : "";
        var taken = shares.SelectMany(of => of).Where(share => share.State == ShareState.Settled).Sum(share => share.Amount);
        return Judged(books, name, $"{after.Values.Sum(gone):N0} {unit} gone, {taken:N0} by settled orders{forgotten}", [service, Orders],
            before.Keys.Union(after.Keys).Union(shares.Select(of => of.Key)).Select(OfOne).OfType<Discrepancy>());
    }

    private static Invariant CouponsUsed(Books books)
    {
        var users = books.Orders.Where(order => order.Order is { Status: OrderStatus.Confirmed, HasUserCouponId: true }).ToLookup(order => order.Order.UserCouponId, order => NameOf(order.Order));
        var used = books.Before.Coupons.Values.Where(coupon => coupon.Status == CouponStatus.Used).ToArray();
        return Judged(books, "a coupon is used by one confirmed order", $"{books.After.Coupons.Count:N0} coupons, {used.Length:N0} used, {users.Count:N0} in confirmed orders", [Coupons, Orders],
        [
            .. users.Where(orders => orders.Count() > 1).Select(orders => Broken($"coupon {orders.Key}", $"used by the orders {string.Join(", ", orders)}")),
            .. users.Where(orders => !books.After.Coupons.TryGetValue(orders.Key, out var coupon) || coupon.Status == CouponStatus.Available)
                .Select(orders => Broken($"coupon {orders.Key}", $"order {orders.First()} is confirmed with it, and it is not taken")),
            .. used.Where(coupon => books.CompleteSince is null && !users.Contains(coupon.UserCouponId)).Select(coupon => Broken($"coupon {coupon.UserCouponId}", "used, but by no confirmed order")),
        ]);
    }

    private static Invariant Confirmed(Books books)
    {
        var confirmed = books.Orders.Where(order => order.Order.Status == OrderStatus.Confirmed).ToArray();
        return Judged(books, "a confirmed order has its goods and is paid", $"{confirmed.Length:N0} orders, {confirmed.Sum(order => order.Order.FinalAmount):N0} won",
            (Orders, []),
            (Stock, confirmed.Where(order => order.Reservation is not { Status: ReservationStatus.Reserved or ReservationStatus.Settled } || !Same(order.Reservation.Items, order.Order.Items))
                .Select(order => Broken(SubjectOf(order), $"confirmed, and its reservation is {Told(order.Reservation)}"))),
            (Payments, confirmed.Where(order => order.Payment is not { Status: PaymentStatus.Charged or PaymentStatus.Settled }
                    || (order.Payment.UserId, order.Payment.Amount) != (order.Order.UserId, order.Order.FinalAmount))
                .Select(order => Broken(SubjectOf(order), $"confirmed for {order.Order.FinalAmount} won of {order.Order.UserId}, and its payment is {Told(order.Payment)}"))));
    }

    /// <summary>What was held for it is gone for good: soon after it was confirmed.</summary>
    private static Invariant Settled(Books books, Lateness lateness)
    {
        var confirmed = books.Orders.Where(order => order.Order.Status == OrderStatus.Confirmed).ToArray();
        Discrepancy NotYet(BookedOrder order, string who)
        {
            var (since, ago) = (FinalOf(order.Order), AgoOf(books.Begun - FinalOf(order.Order)));
            var (due, subject) = (lateness.DueAfter(since), $"{SubjectOf(order)} at {who}");
            return lateness.IsOverdue(since, books.Begun)
                ? new(subject, $"{SubjectOf(order)} was confirmed {ago} ago and {who} has not settled; it should have by {due:u}", null)
                : new(subject, $"{SubjectOf(order)} was confirmed {ago} ago and {who} has not settled yet; it will by {due:u}, look again then", due);
        }

        return Judged(books, "a confirmed order is settled", $"{confirmed.Length:N0} orders",
            (Orders, []),
            (Stock, confirmed.Where(order => order.Reservation is { Status: ReservationStatus.Reserved }).Select(order => NotYet(order, Stock))),
            (Payments, confirmed.Where(order => order.Payment is { Status: PaymentStatus.Charged }).Select(order => NotYet(order, Payments))),
            (Coupons, confirmed.Where(order => order.Order.HasUserCouponId && books.After.Coupons.GetValueOrDefault(order.Order.UserCouponId) is { Status: CouponStatus.Held })
                .Select(order => NotYet(order, Coupons))));
    }

    private static Invariant Failed(Books books)
    {
        var failed = books.Orders.Where(order => order.Order is { Status: OrderStatus.Failed, IsClosed: true }).ToArray();
        return Judged(books, "a failed order holds nothing", $"{failed.Length:N0} orders",
            (Orders, []),
            (Stock, failed.Where(order => order.Reservation is { Status: ReservationStatus.Reserved or ReservationStatus.Settled })
                .Select(order => Broken(SubjectOf(order), $"failed, and its reservation is {Told(order.Reservation)}"))),
            (Payments, failed.Where(order => order.Payment is { Status: PaymentStatus.Charged or PaymentStatus.Settled })
                .Select(order => Broken(SubjectOf(order), $"failed, and its payment is {Told(order.Payment)}"))));
    }

    private static Invariant Waiting(Books books, Lateness lateness)
    {
        var open = books.Orders.Where(order => !order.Order.IsClosed).ToArray();
        Discrepancy? OfOne(BookedOrder booked)
        {
            var (order, placed) = (booked.Order, booked.Order.PlacedTime.ToDateTime());
            var text = $"{order.Status.ToString().ToUpperInvariant()} since {placed:u}{(order.Compensation.Length > 0 ? $", {order.Compensation}" : "")}";
            if (books.Begun - placed > lateness.Order + Lateness.ClockSkew) return Broken(SubjectOf(booked), text);
            var normal = order.Status == OrderStatus.Failed ? FinalOf(order) : placed;
            var due = placed + lateness.Order;
            return books.Begun - normal <= lateness.Deadline ? null
                : new(SubjectOf(booked), $"{SubjectOf(booked)}: {text}; a sweep will bring it to its end by {due:u}, look again then", due);
        }

        return Judged(books, "no order waits for ever", $"{open.Length:N0} open of {books.Orders.Count:N0} orders", [Orders], open.Select(OfOne).OfType<Discrepancy>());
    }

    private static Invariant Held(Books books, Lateness lateness, ILookup<string, Share> pieces, ILookup<string, Share> won)
    {
        // Whoever held something when reading began holds it still, or has changed since; by its own clock.
        var since = books.Begun - Lateness.ClockSkew;
        bool MayHold(Share share) => share.State == ShareState.Held || !share.Order.IsClosed || share.Changed >= since;
        bool MayHoldStill(Share share) => MayHold(share) || share.Changed is { } changed && !lateness.IsOverdue(changed, books.Begun);
        Discrepancy? OfOne(string what, string id, long held, string unit, IEnumerable<Share> shares)
        {
            var possible = shares.Where(MayHold).Sum(share => share.Amount);
            if (held <= possible) return null;
            var (subject, late) = ($"{what} {id}", shares.Where(share => MayHoldStill(share) && !MayHold(share)).ToArray());
            return held > possible + late.Sum(share => share.Amount)
                ? Broken(subject, $"{held}{unit} held, {possible} of them for an order")
                : new(subject, $"{subject}: {held}{unit} held; being given back or settled: {string.Join(", ", late.Select(share => NameOf(share.Order)))}", lateness.DueAfter(late.Max(share => share.Changed!.Value)));
        }

        var wanted = books.Orders.Where(order => order.Order.HasUserCouponId && (!order.Order.IsClosed || order.Order.Status == OrderStatus.Confirmed)).Select(order => order.Order.UserCouponId).ToHashSet();
        return Judged(books, "what is held is held for an order",
            $"{books.Before.Products.Values.Sum(product => product.Held):N0} pieces, {books.Before.Accounts.Values.Sum(account => account.Held):N0} won, {books.Before.Coupons.Values.Count(coupon => coupon.Status == CouponStatus.Held):N0} coupons",
            (Orders, []),
            (Stock, Unless(books, Orders, books.Before.Products.Values.Select(product => OfOne("product", product.ProductId, product.Held, "", pieces[product.ProductId])))),
            (Payments, Unless(books, Orders, books.Before.Accounts.Values.Select(account => OfOne("account", account.UserId, account.Held, " won", won[account.UserId])))),
            (Coupons, Unless(books, Orders, books.Before.Coupons.Values
                .Where(coupon => coupon.Status == CouponStatus.Held && !wanted.Contains(coupon.UserCouponId) && books.After.Coupons.GetValueOrDefault(coupon.UserCouponId)?.Status == CouponStatus.Held)
                .Select(coupon => Broken($"coupon {coupon.UserCouponId}", "held, but by no order")))));
    }

    /// <summary>A dead letter is nothing to wait for, unless it is the reservation itself: then what is held stays held.</summary>
    private static Invariant Letters(Books books)
    {
        var orders = books.Orders.ToDictionary(order => order.Order.OrderId);
        bool StillHolds(DeadLetter letter) => !orders.TryGetValue(letter.OrderId, out var order) || letter.AppId switch
        {
            "stock" => order.Reservation?.Status == ReservationStatus.Reserved,
            "payments" => order.Payment?.Status == PaymentStatus.Charged,
            _ => order.Order.HasUserCouponId && books.After.Coupons.GetValueOrDefault(order.Order.UserCouponId)?.Status == CouponStatus.Held,
        };
        var perService = string.Join(", ", books.DeadLetters.CountBy(letter => letter.AppId).Select(one => $"{one.Key} {one.Value:N0}"));
        return Judged(books, "every reservation can be brought to its end",
            $"{books.DeadLetters.Count:N0} dead letters wait{(perService.Length > 0 ? $" ({perService}): ./shop dead-letters list" : "")}", [Orders, Stock, Payments, Coupons],
            books.DeadLetters.Where(letter => letter.Topic == WaitingLetters.Reservations && StillHolds(letter)).Select(letter => Broken(
                $"order {(orders.TryGetValue(letter.OrderId, out var order) ? NameOf(order.Order) : letter.OrderId)}",
                $"{letter.AppId} cannot handle its reservation: {letter.Problem.TrimEnd('.')}. ./shop dead-letters show {letter.DeadLetterId}")),
            evenIfPartial: true);
    }

    /// <summary>Takes all its services to judge: when one is away it is not judged.</summary>
    private static Invariant Judged(Books books, string name, string sums, string[] needs, IEnumerable<Discrepancy> found, bool evenIfPartial = false)
    {
        string[] lacking = [.. needs.Where(service => !books.Has(service))];
        return new(name, sums, lacking.Length > 0 && !evenIfPartial ? [] : [.. found], lacking);
    }

    /// <summary>Each part is judged by what one service has, if that is there.</summary>
    private static Invariant Judged(Books books, string name, string sums, params (string Needs, IEnumerable<Discrepancy> Found)[] parts) =>
        new(name, sums, [.. parts.Where(part => books.Has(part.Needs)).SelectMany(part => part.Found)], [.. parts.Select(part => part.Needs).Where(service => !books.Has(service))]);

    private static IEnumerable<Discrepancy> Unless(Books books, string service, IEnumerable<Discrepancy?> found) => books.Has(service) ? found.OfType<Discrepancy>() : [];

    private static Discrepancy Broken(string subject, string what) => new(subject, $"{subject}: {what}", null);

    private static string NameOf(Order order) => order.OrderNumber.Length > 0 ? order.OrderNumber : order.OrderId;

    private static string SubjectOf(BookedOrder order) => $"order {NameOf(order.Order)}";

    private static DateTime FinalOf(Order order) => (order.FinalTime ?? order.PlacedTime).ToDateTime();

    private static string AgoOf(TimeSpan time) => time < TimeSpan.FromMinutes(2) ? $"{Math.Max(0, time.TotalSeconds).ToString("0", CultureInfo.InvariantCulture)} s" : $"{time.TotalMinutes.ToString("0", CultureInfo.InvariantCulture)} min";

    private static bool Same(IEnumerable<OrderLine> one, IEnumerable<OrderLine> other) =>
        one.Select(line => (line.ProductId, line.Quantity)).Order().SequenceEqual(other.Select(line => (line.ProductId, line.Quantity)).Order());

    private static string Told(Reservation? reservation) =>
        reservation is null ? "absent" : $"{reservation.Status.ToString().ToUpperInvariant()} for {string.Join(", ", reservation.Items.Select(item => $"{item.Quantity} {item.ProductId}"))}";

    private static string Told(Payment? payment) => payment is null ? "absent" : $"{payment.Status.ToString().ToUpperInvariant()}, {payment.Amount} won of {payment.UserId}";
}
