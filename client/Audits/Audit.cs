using System.Globalization;
using Shop.V1;

namespace Shop.Audits;

/// <summary>Checks that orders, stock, accounts and coupons agree. Pure.</summary>
/// <remarks>
/// Between an order's final status and the last write of a participant the records differ: for a moment or, after a crash, until the event is
/// redelivered or a sweep finds the reservation. Such a difference is under way while it is explained by an order that is not overdue.
/// </remarks>
public static class Audit
{
    private const string Orders = "Orders", Stock = "Stock", Payments = "Payments", Coupons = "Coupons";

    /// <summary>Evaluates all invariants.</summary>
    /// <param name="deadline">The deadline of an order, as the services are configured.</param>
    /// <returns>Always the same invariants in the same order.</returns>
    public static IReadOnlyList<Invariant> Evaluate(ShopSnapshot snapshot, TimeSpan deadline)
    {
        var lateness = new Lateness(deadline);
        var pieces = snapshot.Orders.SelectMany(Share.ToProductShares).ToLookup(share => share.HolderId);
        var won = snapshot.Orders.SelectMany(Share.ToAccountShares).ToLookup(share => share.HolderId);
        return
        [
            Readable(snapshot),
            StockAddsUp(snapshot),
            MoneyAddsUp(snapshot),
            Consumed(
                snapshot, lateness, "sold is what settled orders took", Stock, "pieces", pieces, snapshot.Before.Products, snapshot.After.Products,
                product => product.Sold, "product"),
            Consumed(
                snapshot, lateness, "spent is what settled orders cost", Payments, "won", won, snapshot.Before.Accounts, snapshot.After.Accounts,
                account => account.Spent, "account"),
            CouponsUsed(snapshot),
            Confirmed(snapshot),
            Exact(snapshot),
            Settled(snapshot, lateness),
            Failed(snapshot),
            Steps(snapshot),
            Open(snapshot, lateness),
            Held(snapshot, lateness, pieces, won),
            Letters(snapshot),
        ];
    }

    /// <summary>A document that is left out is not audited: what the other invariants say holds without it.</summary>
    private static Invariant Readable(ShopSnapshot snapshot)
    {
        var read = snapshot.After.Products.Count + snapshot.After.Accounts.Count + snapshot.After.Coupons.Count + snapshot.Orders.Count;
        return Check(snapshot, "every document can be read", $"{read:N0} products, accounts, coupons and orders", [Orders, Stock, Payments, Coupons],
            snapshot.Unreadable.OrderBy(one => one.Key, StringComparer.Ordinal)
                .Select(one => Broken(one.Key, $"{one.Value} cannot read it, and its log says why")),
            evenIfPartial: true);
    }

    private static Invariant StockAddsUp(ShopSnapshot snapshot)
    {
        var all = snapshot.After.Products.Values.ToArray();
        return Check(snapshot, "stock adds up",
            $"{all.Length:N0} products: {all.Sum(p => (decimal)p.Stocked):N0} stocked = "
                + $"{all.Sum(p => (decimal)p.Available):N0} available + {all.Sum(p => (decimal)p.Held):N0} held + {all.Sum(p => (decimal)p.Sold):N0} sold",
            (Stock, all.Where(p => p.Available + p.Held + p.Sold != p.Stocked || p.Available < 0 || p.Held < 0 || p.Sold < 0)
                .Select(p => Broken($"product {p.ProductId}", $"{p.Stocked} stocked, but {p.Available} available + {p.Held} held + {p.Sold} sold"))));
    }

    private static Invariant MoneyAddsUp(ShopSnapshot snapshot)
    {
        var all = snapshot.After.Accounts.Values.ToArray();
        return Check(snapshot, "money adds up",
            $"{all.Length:N0} accounts: {all.Sum(a => (decimal)a.Deposited):N0} won deposited = "
                + $"{all.Sum(a => (decimal)a.Balance):N0} balance + {all.Sum(a => (decimal)a.Held):N0} held + {all.Sum(a => (decimal)a.Spent):N0} spent",
            (Payments, all.Where(a => a.Balance + a.Held + a.Spent != a.Deposited || a.Balance < 0 || a.Held < 0 || a.Spent < 0)
                .Select(a => Broken($"account {a.UserId}", $"{a.Deposited} won deposited, but {a.Balance} balance + {a.Held} held + {a.Spent} spent"))));
    }

    /// <summary>
    /// The sum over settled orders is at least what was consumed before the orders were read, unless orders have expired, and at most what was
    /// consumed after.
    /// </summary>
    private static Invariant Consumed<T>(ShopSnapshot snapshot, Lateness lateness, string name, string service, string unit, ILookup<string, Share> shares,
        IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after, Func<T, long> consumed, string what)
    {
        Discrepancy? Find(string id)
        {
            var least = snapshot.CompleteSince is null && before.TryGetValue(id, out var first) ? consumed(first) : 0;
            var most = after.TryGetValue(id, out var last) ? consumed(last) : 0;
            var settled = shares[id].Where(share => share.State == ShareState.Settled).ToArray();
            var (sum, subject) = (settled.Sum(share => (decimal)share.Amount), $"{what} {id}");
            var text = $"{(least == most ? $"{most}" : $"{least} to {most}")} {unit} consumed, {sum} by settled orders";
            // The document may be ahead of records that are not settled yet, or may have been read before records that just were.
            var (missing, explain) = sum < least
                ? (least - sum, shares[id].Where(share => share.IsSettling).Select(share => (share, Cause: GetFinalTime(share.Order))))
                : (sum - most, settled.Select(share => (share, Cause: share.Changed!.Value)));
            if (missing <= 0) return null;
            var fresh = explain.Where(one => !lateness.IsOverdue(one.Cause, snapshot.StartTime)).ToArray();
            return fresh.Sum(one => (decimal)one.share.Amount) < missing
                ? Broken(subject, text)
                : new(subject, $"{subject}: {text}; being settled: {string.Join(", ", fresh.Select(one => GetName(one.share.Order)))}",
                    lateness.GetDueTime(fresh.Max(one => one.Cause)));
        }

        var forgotten = snapshot.CompleteSince is { } since ? $"; orders before {since:u} are forgotten, so there may be more consumed than orders show" : "";
        var taken = shares.SelectMany(of => of).Where(share => share.State == ShareState.Settled).Sum(share => (decimal)share.Amount);
        return Check(snapshot, name, $"{after.Values.Sum(one => (decimal)consumed(one)):N0} {unit} consumed, {taken:N0} by settled orders{forgotten}", [service, Orders],
            before.Keys.Union(after.Keys).Union(shares.Select(of => of.Key)).Where(id => snapshot.CanRead($"{what} {id}")).Select(Find)
                .OfType<Discrepancy>());
    }

    private static Invariant CouponsUsed(ShopSnapshot snapshot)
    {
        var users = snapshot.Orders
            .Where(order => order.Order is { Status: OrderStatus.Confirmed, HasUserCouponId: true })
            .ToLookup(order => order.Order.UserCouponId, order => GetName(order.Order));
        var used = snapshot.Before.Coupons.Values.Where(coupon => coupon.Status == CouponStatus.Used).ToArray();
        return Check(snapshot, "a coupon is used by one confirmed order",
            $"{snapshot.After.Coupons.Count:N0} coupons, {used.Length:N0} used, {users.Count:N0} in confirmed orders", [Coupons, Orders],
        [
            .. users.Where(orders => orders.Count() > 1).Select(orders => Broken($"coupon {orders.Key}", $"used by the orders {string.Join(", ", orders)}")),
            .. users.Where(orders => snapshot.CanRead($"coupon {orders.Key}")
                    && (!snapshot.After.Coupons.TryGetValue(orders.Key, out var coupon) || coupon.Status == CouponStatus.Available))
                .Select(orders => Broken($"coupon {orders.Key}", $"order {orders.First()} is confirmed with it, and it is not taken")),
            .. used.Where(coupon => snapshot.CompleteSince is null && !users.Contains(coupon.UserCouponId))
                .Select(coupon => Broken($"coupon {coupon.UserCouponId}", "used, but by no confirmed order")),
        ]);
    }

    private static Invariant Confirmed(ShopSnapshot snapshot)
    {
        var confirmed = snapshot.Orders.Where(order => order.Order.Status == OrderStatus.Confirmed).ToArray();
        return Check(snapshot, "a confirmed order has its goods and is paid",
            $"{confirmed.Length:N0} orders, {confirmed.Sum(order => (decimal)order.Order.FinalAmount):N0} won",
            (Orders, []),
            (Stock, confirmed.Where(order => order.Reservation is not { Status: ReservationStatus.Reserved or ReservationStatus.Settled }
                    || !HaveSameItems(order.Reservation.Items, order.Order.Items))
                .Select(order => Broken(GetSubject(order), $"confirmed, and its reservation is {Describe(order.Reservation)}"))),
            (Payments, confirmed.Where(order => order.Payment is not { Status: PaymentStatus.Charged or PaymentStatus.Settled }
                    || (order.Payment.UserId, order.Payment.Amount) != (order.Order.UserId, order.Order.FinalAmount))
                .Select(order => Broken(GetSubject(order),
                    $"confirmed for {order.Order.FinalAmount} won of {order.Order.UserId}, and its payment is {Describe(order.Payment)}"))));
    }

    /// <summary>
    /// What a participant has held, settled, released or rejected for an order is what was ordered, neither more nor less, whatever became of the
    /// order: two records that are wrong by the same amount would still add up.
    /// </summary>
    private static Invariant Exact(ShopSnapshot snapshot)
    {
        var (reserved, paid) = (
            snapshot.Orders.Where(order => order.Reservation is not null).ToArray(), snapshot.Orders.Where(order => order.Payment is not null).ToArray());
        return Check(snapshot, "each record is for exactly what was ordered", $"{reserved.Length:N0} reservations, {paid.Length:N0} payments",
            (Orders, []),
            (Stock, reserved.Where(order => !HaveSameItems(order.Reservation!.Items, order.Order.Items))
                .Select(order => Broken(GetSubject(order), $"for {Describe(order.Order.Items)}, and its reservation is {Describe(order.Reservation)}"))),
            (Payments, paid.Where(order => (order.Payment!.UserId, order.Payment.Amount) != (order.Order.UserId, order.Order.FinalAmount))
                .Select(order => Broken(GetSubject(order),
                    $"for {order.Order.FinalAmount} won of {order.Order.UserId}, and its payment is {Describe(order.Payment)}"))));
    }

    /// <summary>Soon after the confirmation all participants have settled.</summary>
    private static Invariant Settled(ShopSnapshot snapshot, Lateness lateness)
    {
        var confirmed = snapshot.Orders.Where(order => order.Order.Status == OrderStatus.Confirmed).ToArray();
        Discrepancy NotYet(OrderRecords order, string service)
        {
            var (since, ago) = (GetFinalTime(order.Order), FormatAge(snapshot.StartTime - GetFinalTime(order.Order)));
            var (due, subject) = (lateness.GetDueTime(since), $"{GetSubject(order)} at {service}");
            return lateness.IsOverdue(since, snapshot.StartTime)
                ? new(subject, $"{GetSubject(order)} was confirmed {ago} ago and {service} has not settled; it should have by {due:u}", null)
                : new(subject, $"{GetSubject(order)} was confirmed {ago} ago and {service} has not settled yet; it will by {due:u}, look again then", due);
        }

        return Check(snapshot, "a confirmed order is settled", $"{confirmed.Length:N0} orders",
            (Orders, []),
            (Stock, confirmed.Where(order => order.Reservation is { Status: ReservationStatus.Reserved }).Select(order => NotYet(order, Stock))),
            (Payments, confirmed.Where(order => order.Payment is { Status: PaymentStatus.Charged }).Select(order => NotYet(order, Payments))),
            (Coupons, confirmed.Where(order => order.Order.HasUserCouponId
                    && snapshot.After.Coupons.GetValueOrDefault(order.Order.UserCouponId) is { Status: CouponStatus.Held })
                .Select(order => NotYet(order, Coupons))));
    }

    private static Invariant Failed(ShopSnapshot snapshot)
    {
        var failed = snapshot.Orders.Where(order => order.Order.Status == OrderStatus.Failed).ToArray();
        // Of an open one something may be held still, and nothing can be settled.
        static bool Holds<T>(OrderRecords order, T status, T held, T settled) => Equals(status, settled) || order.Order.IsClosed && Equals(status, held);
        return Check(snapshot, "a failed order holds nothing", $"{failed.Length:N0} orders",
            (Orders, []),
            (Stock, failed.Where(order => order.Reservation is { } reservation && Holds(order, reservation.Status, ReservationStatus.Reserved, ReservationStatus.Settled))
                .Select(order => Broken(GetSubject(order), $"failed, and its reservation is {Describe(order.Reservation)}"))),
            (Payments, failed.Where(order => order.Payment is { } payment && Holds(order, payment.Status, PaymentStatus.Charged, PaymentStatus.Settled))
                .Select(order => Broken(GetSubject(order), $"failed, and its payment is {Describe(order.Payment)}"))));
    }

    /// <summary>Of all participants, also of those whose records are not read here.</summary>
    private static Invariant Steps(ShopSnapshot snapshot)
    {
        var closed = snapshot.Orders.Where(order => order.Order.IsClosed).ToArray();
        var others = closed.SelectMany(order => order.Order.Steps).Where(step => step.Step == Step.Unspecified).Select(step => step.Name).Distinct().Order().ToArray();
        static bool EndedAs(StepProgress step, OrderStatus end) => end == OrderStatus.Confirmed
            ? step.State is StepState.Done or StepState.Skipped
            // One with a reference held something.
            : step.Compensated && (step.State != StepState.Done || step.Reference.Length == 0);

        return Check(snapshot, "each step of a closed order ended as the order did",
            $"{closed.Length:N0} orders{(others.Length > 0 ? $", with steps of {string.Join(", ", others)}" : "")}", [Orders],
            closed.SelectMany(order => order.Order.Steps.Where(step => !EndedAs(step, order.Order.Status)).Select(step => Broken(
                $"{GetSubject(order)} at {step.Name}",
                $"{order.Order.Status.ToString().ToUpperInvariant()}, and the step is {step.State.ToString().ToUpperInvariant()}"
                    + $"{(step.Compensated ? ", without anything to undo" : "")}"))));
    }

    private static Invariant Open(ShopSnapshot snapshot, Lateness lateness)
    {
        var open = snapshot.Orders.Where(order => !order.Order.IsClosed).ToArray();
        Discrepancy? Find(OrderRecords records)
        {
            var (order, placed) = (records.Order, records.Order.PlacedTime.ToDateTime());
            var normal = order.Status == OrderStatus.Failed ? GetFinalTime(order) : placed;
            var text = $"{order.Status.ToString().ToUpperInvariant()} since {normal:u}{(order.Compensation.Length > 0 ? $", {order.Compensation}" : "")}";
            var due = placed + lateness.Order + Lateness.ClockSkew;
            if (snapshot.StartTime > due) return Broken(GetSubject(records), text);
            return snapshot.StartTime - normal <= lateness.Deadline ? null
                : new(GetSubject(records), $"{GetSubject(records)}: {text}; unless a participant is down, a sweep will bring it to its end by {due:u}, look again then", due);
        }

        return Check(snapshot, "no order waits for ever", $"{open.Length:N0} open of {snapshot.Orders.Count:N0} orders", [Orders],
            open.Select(Find).OfType<Discrepancy>());
    }

    private static Invariant Held(ShopSnapshot snapshot, Lateness lateness, ILookup<string, Share> pieces, ILookup<string, Share> won)
    {
        // A reservation that existed when reading began either still exists or has changed since, by the clock of its service.
        var since = snapshot.StartTime - Lateness.ClockSkew;
        var swept = $"a sweep releases what is held for an order that Orders does not know, look again after {lateness.GetDueTime(snapshot.StartTime):u}";
        bool MayHold(Share share) => share.State == ShareState.Reserved || !share.Order.IsClosed || share.Changed >= since;
        bool MayHoldStill(Share share) => MayHold(share) || share.Changed is { } changed && !lateness.IsOverdue(changed, snapshot.StartTime);
        Discrepancy? Find(string what, string id, long held, string unit, IEnumerable<Share> shares)
        {
            var possible = shares.Where(MayHold).Sum(share => (decimal)share.Amount);
            if (held <= possible) return null;
            var (subject, late) = ($"{what} {id}", shares.Where(share => MayHoldStill(share) && !MayHold(share)).ToArray());
            return held > possible + late.Sum(share => (decimal)share.Amount)
                ? Broken(subject, $"{held}{unit} held, {possible} of them for an order; {swept}")
                : new(subject,
                    $"{subject}: {held}{unit} held; being released or settled: {string.Join(", ", late.Select(share => GetName(share.Order)))}",
                    lateness.GetDueTime(late.Max(share => share.Changed!.Value)));
        }

        var wanted = snapshot.Orders
            .Where(order => order.Order.HasUserCouponId && (!order.Order.IsClosed || order.Order.Status == OrderStatus.Confirmed))
            .Select(order => order.Order.UserCouponId).ToHashSet();
        return Check(snapshot, "what is held is held for an order",
            $"{snapshot.Before.Products.Values.Sum(product => (decimal)product.Held):N0} pieces, {snapshot.Before.Accounts.Values.Sum(account => (decimal)account.Held):N0} won, "
                + $"{snapshot.Before.Coupons.Values.Count(coupon => coupon.Status == CouponStatus.Held):N0} coupons",
            (Orders, []),
            (Stock, IfRead(snapshot, Orders, snapshot.Before.Products.Values.Select(
                product => Find("product", product.ProductId, product.Held, "", pieces[product.ProductId])))),
            (Payments, IfRead(snapshot, Orders, snapshot.Before.Accounts.Values.Select(
                account => Find("account", account.UserId, account.Held, " won", won[account.UserId])))),
            (Coupons, IfRead(snapshot, Orders, snapshot.Before.Coupons.Values
                .Where(coupon => coupon.Status == CouponStatus.Held && !wanted.Contains(coupon.UserCouponId)
                    && snapshot.After.Coupons.GetValueOrDefault(coupon.UserCouponId)?.Status == CouponStatus.Held)
                .Select(coupon => Broken($"coupon {coupon.UserCouponId}", $"held, but by no order; {swept}")))));
    }

    /// <summary>The saga recovers from a dead event, but not from a dead reservation: what it holds stays held.</summary>
    private static Invariant Letters(ShopSnapshot snapshot)
    {
        var orders = snapshot.Orders.ToDictionary(order => order.Order.OrderId);
        bool StillHolds(DeadLetter letter) => !orders.TryGetValue(letter.OrderId, out var order) || letter.AppId switch
        {
            "stock" => order.Reservation?.Status == ReservationStatus.Reserved,
            "payments" => order.Payment?.Status == PaymentStatus.Charged,
            "coupons" => order.Order.HasUserCouponId && snapshot.After.Coupons.GetValueOrDefault(order.Order.UserCouponId)?.Status == CouponStatus.Held,
            // The records of other participants are not read.
            _ => true,
        };
        var perService = string.Join(", ", snapshot.DeadLetters.CountBy(letter => letter.AppId).Select(one => $"{one.Key} {one.Value:N0}"));
        return Check(snapshot, "every reservation can be brought to its end",
            $"{snapshot.DeadLetters.Count:N0} dead letters wait{(perService.Length > 0 ? $" ({perService}): ./shop dead-letters list" : "")}",
            [.. ((string[])[Orders, Stock, Payments, Coupons]).Union(snapshot.Unavailable.Keys)],
            snapshot.DeadLetters.Where(letter => letter.Topic == DeadLetterList.ReservationsTopic && StillHolds(letter)).Select(letter => Broken(
                $"order {(orders.TryGetValue(letter.OrderId, out var order) ? GetName(order.Order) : letter.OrderId)}",
                $"{letter.AppId} cannot handle its reservation: {letter.Problem.TrimEnd('.')}. ./shop dead-letters show {letter.DeadLetterId}")),
            evenIfPartial: true);
    }

    /// <summary>An invariant that is checked only when all services in <paramref name="needs"/> were read, unless <paramref name="evenIfPartial"/>.</summary>
    private static Invariant Check(ShopSnapshot snapshot, string name, string sums, string[] needs, IEnumerable<Discrepancy> found, bool evenIfPartial = false)
    {
        string[] missing = [.. needs.Where(service => !snapshot.Has(service))];
        return new(name, sums, missing.Length > 0 && !evenIfPartial ? [] : [.. found], missing) { Problems = GetProblems(snapshot, missing) };
    }

    /// <summary>An invariant of independent parts, each checked when its service was read.</summary>
    private static Invariant Check(ShopSnapshot snapshot, string name, string sums, params (string Needs, IEnumerable<Discrepancy> Found)[] parts)
    {
        string[] missing = [.. parts.Select(part => part.Needs).Where(service => !snapshot.Has(service))];
        return new(name, sums, [.. parts.Where(part => snapshot.Has(part.Needs)).SelectMany(part => part.Found)], missing)
        {
            Problems = GetProblems(snapshot, missing),
        };
    }

    private static string[] GetProblems(ShopSnapshot snapshot, string[] missing) => [.. missing.Select(service => $"{service}: {snapshot.Unavailable[service]}")];

    private static IEnumerable<Discrepancy> IfRead(ShopSnapshot snapshot, string service, IEnumerable<Discrepancy?> found) =>
        snapshot.Has(service) ? found.OfType<Discrepancy>() : [];

    private static Discrepancy Broken(string subject, string what) => new(subject, $"{subject}: {what}", null);

    private static string GetName(Order order) => order.OrderNumber.Length > 0 ? order.OrderNumber : order.OrderId;

    private static string GetSubject(OrderRecords order) => $"order {GetName(order.Order)}";

    private static DateTime GetFinalTime(Order order) => (order.FinalTime ?? order.PlacedTime).ToDateTime();

    private static string FormatAge(TimeSpan time) => time < TimeSpan.FromMinutes(2)
        ? $"{Math.Max(0, time.TotalSeconds).ToString("0", CultureInfo.InvariantCulture)} s"
        : $"{time.TotalMinutes.ToString("0", CultureInfo.InvariantCulture)} min";

    private static bool HaveSameItems(IEnumerable<OrderLine> one, IEnumerable<OrderLine> other) =>
        one.Select(line => (line.ProductId, line.Quantity)).Order().SequenceEqual(other.Select(line => (line.ProductId, line.Quantity)).Order());

    private static string Describe(Reservation? reservation) =>
        reservation is null ? "absent" : $"{reservation.Status.ToString().ToUpperInvariant()} for {Describe(reservation.Items)}";

    private static string Describe(IEnumerable<OrderLine> items) => string.Join(", ", items.Select(item => $"{item.Quantity} {item.ProductId}"));

    private static string Describe(Payment? payment) =>
        payment is null ? "absent" : $"{payment.Status.ToString().ToUpperInvariant()}, {payment.Amount} won of {payment.UserId}";
}
