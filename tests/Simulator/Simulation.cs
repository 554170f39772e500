using System.Collections.Immutable;
using Orders;
using Account = Payments.Account;
using Coupon = Coupons.Coupon;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>One run of the whole saga, determined by its seed: a few orders that contend for the same resources, and many faults.</summary>
internal sealed record Simulation(int Seed, IReadOnlyList<string> Violations, World World, SimulatedShop Shop)
{
    private static readonly TimeSpan Storm = TimeSpan.FromSeconds(30);

    public static Simulation Run(int seed, bool traced = false)
    {
        var world = new World(seed, traced);
        // In a fifth of the runs logs of open orders become corrupt.
        // In a seventh instances are stopped one after the other, each with a successor beside it.
        var faults = FaultsOf(world) with { Corrupt = seed % 5 == 2 ? 0.15 : 0, Stop = seed % 7 == 3 ? 0.1 : 0 };
        // Four consecutive seeds have the plain path alone, each of its decorators, and both.
        var (batching, caching) = (seed % 2 == 1, seed / 2 % 2 == 1);
        var throughDapr = seed / 4 % 4 == 0;
        // A third of the runs have a fourth participant.
        var steps = seed % 3 == 0 ? SagaSteps.Of([.. SagaSteps.Default.All.Select(step => step.Name), Member.App]) : SagaSteps.Default;
        // Half of the runs mix both patterns. Without a sweep a crash leaves an orchestrated order where it is.
        var isMixed = seed / 16 % 2 == 0 && !faults.Unswept;
        // Half of the runs have a store that does not count the versions of a document.
        var etags = (seed / 32 % 4) switch { 2 => ETagForm.Uuid, 3 => ETagForm.Write, _ => ETagForm.Version };
        world.Note(() => $"seed {seed}: {faults}, batching {batching}, caching {caching}, through Dapr {throughDapr}, {steps.All.Length} steps, "
            + $"mixed {isMixed}, ETags {etags}");
        var shop = new SimulatedShop(world, faults, throughJson: seed % 49 == 0, throughDapr, batching, caching, steps, etags);

        var products = Enumerable.Range(0, world.Chance.Next(1, 4))
            .Select(at => new Product($"p{at}", "", 1_000, Holdings.Of(world.Chance.Next(1, 6)), [])).ToArray();
        var accounts = Enumerable.Range(0, 2).Select(at => new Account($"u{at}", Holdings.Of(world.Chance.Next(1, 8) * 1_000), [])).ToArray();
        var coupons = Enumerable.Range(0, 2).Select(at => new Coupon($"c{at}", $"u{at}", 500, 0, 0, DateTimeOffset.MaxValue, Holdings.Of(1), [])).ToArray();
        foreach (var product in products) shop.Put(product);
        foreach (var account in accounts) shop.Put(account);
        foreach (var coupon in coupons) shop.Put(coupon);

        for (var at = 0; at < 4; at++)
        {
            var order = OrderOf(world, at, products, steps, isMixed);
            shop.PlaceLater(order, TimeSpan.FromMilliseconds(world.Chance.Next(10_000)));
            if (!faults.Unswept && world.Happens(0.15)) shop.CancelLater(order.Id, TimeSpan.FromMilliseconds(world.Chance.Next(10_100)));
        }

        var isQuiescent = shop.RunUntilQuiescent(Storm);
        List<string> violations = isQuiescent ? [] : ["It is not quiescent in time."];
        violations.AddRange(Audit.Of(shop.Store, shop.Accepted, products, accounts, coupons));
        violations.AddRange(shop.Unexpected().Select(letter => $"{letter.EventId} is a dead letter of {letter.Topic}: {letter.Problem}"));
        return new(seed, violations, world, shop);
    }

    // Each kind of fault is on in some runs only: together they hide each other.
    private static WorldFaults FaultsOf(World world)
    {
        // Suspended handlers that resume late and crash soon after: only the reservation protocol stops them.
        if (world.Happens(0.15))
        {
            return new(
                new(Fails: 0, FailsAfter: 0, Pauses: 0.15), Lost: 0, Doubled: 0, Crash: 0.1, ClockJumps: 0, Replay: false, Poison: 0,
                RefusesMissing: world.Happens(0.5));
        }

        // No loss and no sweep: publishing before acknowledging must be enough to close every order.
        if (world.Happens(0.1))
        {
            return new(
                new(Fails: 0, FailsAfter: 0, Pauses: 0.03), Lost: 0, Doubled: 0.05, Crash: 0.15, ClockJumps: 0, Replay: false, Poison: 0.1,
                RefusesMissing: world.Happens(0.5), Unswept: true);
        }

        double Sometimes(double most) => world.Happens(0.5) ? world.Chance.NextDouble() * most : 0;
        return new(
            new(Fails: Sometimes(0.1), FailsAfter: Sometimes(0.1), Pauses: Sometimes(0.04), Refuses: Sometimes(0.1)),
            Lost: Sometimes(0.2), Doubled: Sometimes(0.5), Crash: Sometimes(0.05), ClockJumps: Sometimes(0.1), Replay: world.Happens(0.25),
            Poison: Sometimes(0.15), RefusesMissing: world.Happens(0.5));
    }

    /// <param name="isMixed">Half of the orders are orchestrated.</param>
    private static Order OrderOf(World world, int number, Product[] products, SagaSteps steps, bool isMixed)
    {
        var user = $"u{world.Chance.Next(2)}";
        var items = products.Where(_ => world.Happens(0.7)).DefaultIfEmpty(products[0])
            .Select(product => new Item(product.Id, world.Chance.Next(1, 4), product.Price)).ToImmutableArray();
        var coupon = world.Happens(0.5) ? $"c{world.Chance.Next(2)}" : null;
        var total = items.Sum(item => item.Quantity * item.UnitPrice);
        var discount = coupon is null ? 0 : Math.Min(500, total);
        var pattern = isMixed && world.Happens(0.5) ? SagaPattern.Orchestration : SagaPattern.Choreography;
        // The id has letters, so that capitals are another spelling.
        return new(
            new Guid(number + 1, 0, 0, [0xAB, 0, 0, 0, 0, 0, 0, 0]).ToString(), user, OrderStatus.Pending, items,
            new(total, discount, total - discount), coupon, new("", "", ""), "",
            null, default, [], steps.For(coupon, default), pattern);
    }
}

/// <summary>The invariants of closed orders.</summary>
internal static class Audit
{
    public static IEnumerable<string> Of(
        SimulatedStore store, IReadOnlyList<string> accepted, IReadOnlyList<Product> products, IReadOnlyList<Account> accounts,
        IReadOnlyList<Coupon> coupons)
    {
        Order[] orders = [.. store.All<Order>("orders||order:").Where(order => order.Status != OrderStatus.Abandoned)];
        var confirmed = orders.Where(order => order.Status == OrderStatus.Confirmed).ToArray();
        foreach (var wrong in OfExpiry(store)) yield return wrong;

        var there = orders.Select(order => order.Id).ToHashSet();
        foreach (var lost in accepted.Where(id => !there.Contains(id))) yield return $"Order {lost} was accepted and is lost.";
        var listed = store.Find<OpenSegment>("orders||open:").SelectMany(segment => segment.Orders)
            .Concat(store.Find<HistoryPage>("orders||past:").SelectMany(page => page.OrderIds)).ToHashSet();
        foreach (var unlisted in accepted.Where(id => !listed.Contains(id)))
        {
            yield return $"Order {unlisted} is neither in an open log nor in the list of past orders.";
        }
        foreach (var order in orders)
        {
            if (!order.IsClosed) yield return $"Order {order.Id} is {order.Status} and not closed.";
            var ends = order.Timeline.Count(entry => entry.Event is "order-confirmed" or "order-failed");
            if (ends != 1) yield return $"Order {order.Id} ended {ends} times.";
        }

        foreach (var product in store.All<Product>("stock||product:"))
        {
            var sold = confirmed.Sum(order => order.Items.Where(item => item.ProductId == product.Id).Sum(item => item.Quantity));
            var initial = products.Single(before => before.Id == product.Id).Holdings.Total;
            foreach (var wrong in Check($"product {product.Id}", product.Holdings, initial, sold)) yield return wrong;
        }
        foreach (var account in store.All<Account>("payments||account:"))
        {
            var spent = confirmed.Where(order => order.UserId == account.UserId).Sum(order => order.Amounts.Final);
            var initial = accounts.Single(before => before.UserId == account.UserId).Holdings.Total;
            foreach (var wrong in Check($"account {account.UserId}", account.Holdings, initial, spent)) yield return wrong;
        }
        foreach (var coupon in store.All<Coupon>("coupons||coupon:"))
        {
            var used = confirmed.Count(order => order.UserCouponId == coupon.Id);
            foreach (var wrong in Check($"coupon {coupon.Id}", coupon.Holdings, 1, used)) yield return wrong;
        }

        foreach (var member in store.All<Member>($"{Member.App}||member:"))
        {
            var earned = confirmed.Where(order => order.UserId == member.UserId).Sum(order => Member.PointsOf(order.Amounts.Final));
            foreach (var wrong in Check($"points of {member.UserId}", member.Holdings, Member.PointsMax, earned)) yield return wrong;
        }

        foreach (var app in (string[])["stock", "payments", "coupons", Member.App])
        {
            var reservations = store.All<Reservation>($"{app}||reservation:").ToDictionary(reservation => reservation.OrderId);
            foreach (var order in orders.Where(order => order.Steps.Any(step => step.Name == app)))
            {
                var reservation = reservations.GetValueOrDefault(order.Id);
                if (app == "coupons" && order.UserCouponId is null)
                {
                    if (reservation is not null) yield return $"Order {order.Id} has no coupon, but coupons has a reservation.";
                }
                else if (order.Status == OrderStatus.Confirmed && reservation?.Status != ReservationStatus.Settled
                    || order.Status == OrderStatus.Failed && reservation?.Status is not (ReservationStatus.Released or ReservationStatus.Rejected))
                {
                    yield return $"Order {order.Id} is {order.Status}, but its reservation at {app} is {reservation?.Status.ToString() ?? "absent"}.";
                }
            }
        }
    }

    /// <summary>What is closed expires, and nothing else, after whichever write was the last.</summary>
    public static IEnumerable<string> OfExpiry(SimulatedStore store) =>
        from key in store.Versions.Keys
        let document = store.Read(key).Value
        let expires = document is Order { IsClosed: true } or Order { Status: OrderStatus.Abandoned } or Reservation
            or DeadLetter { State: not DeadLetterState.Waiting } or DeadLetter { Topic: not ("orders" or "reservations") }
            or HistoryHour or HistoryPage or OpenSegment { Sealed: true }
        where expires != (store.GetTimeToLive(key) is not null)
        select expires ? $"{key} does not expire any more." : $"{key} is going to expire.";

    /// <summary>True: every participant of a closed order has archived its reservation.</summary>
    public static bool IsArchived(SimulatedStore store, Order order) => order.Steps.Select(step => step.Name).All(app =>
        app == "coupons" && order.UserCouponId is null || store.Read($"{app}||{Reservation.KeyOf(order.Id)}").Value is Reservation);

    private static IEnumerable<string> Check(string what, Holdings holdings, long total, long consumed)
    {
        if (holdings.Total != total) yield return $"Of {what} there were {total}, and there are {holdings.Total}: {holdings}";
        if (holdings.Held != 0) yield return $"Of {what} {holdings.Held} are still held.";
        if (holdings.Consumed != consumed) yield return $"Of {what} {holdings.Consumed} are consumed, but confirmed orders took {consumed}.";
    }
}
