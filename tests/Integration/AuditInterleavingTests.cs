using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.Audits;
using Shop.V1;

namespace Integration;

/// <summary>
/// The audit during the writes that follow the end of an order of two products. The writes happen in every order, and the reads of a snapshot
/// fall anywhere between them: nothing is reported as broken unless the writes stop for long.
/// </summary>
public sealed class AuditInterleavingTests
{
    private const string A = "a", B = "b", Reserved = "reservation", Account = "account", Payment = "payment";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DateTime now = DateTime.UtcNow;

    /// <summary>The final status of the order, and the order of the writes of Stock and Payments.</summary>
    public static TheoryData<OrderStatus, string[]> Endings
    {
        get
        {
            var endings = new TheoryData<OrderStatus, string[]>();
            foreach (var end in (OrderStatus[])[OrderStatus.Confirmed, OrderStatus.Failed])
            {
                foreach (var stock in (string[][])[[A, B, Reserved], [B, A, Reserved], [A, Reserved, B], [B, Reserved, A], [Reserved, A, B], [Reserved, B, A]])
                {
                    endings.Add(end, [.. stock, Account, Payment]);
                    endings.Add(end, [Payment, Account, .. stock]);
                }
            }
            return endings;
        }
    }

    [Theory, MemberData(nameof(Endings))]
    public void No_interleaving_of_reads_and_writes_is_broken(OrderStatus end, string[] writes)
    {
        var history = CreateHistory(end, writes, now);
        for (var before = 0; before < history.Count; before++)
        {
            for (var order = before; order < history.Count; order++)
            {
                for (var reservation = order; reservation < history.Count; reservation++)
                {
                    for (var after = reservation; after < history.Count; after++)
                    {
                        var snapshot = new ShopSnapshot(
                            now, history[before].Catalog, [new(history[order].Order, history[reservation].Reservation, history[reservation].Payment)],
                            null, history[after].Catalog);
                        Assert.All(Audit.Evaluate(snapshot, Deadline),
                            one => Assert.True(
                                one.State != InvariantState.Broken, $"{before} {order} {reservation} {after}: {string.Join("; ", one.Violations)}"));
                    }
                }
            }
        }
    }

    [Theory, MemberData(nameof(Endings))]
    public void A_crash_between_two_writes_is_under_way_until_the_event_is_redelivered(OrderStatus end, string[] writes)
    {
        var history = CreateHistory(end, writes, now.AddSeconds(-75));
        Assert.All(history, moment => Assert.NotEqual(InvariantState.Broken, Worst(At(moment))));
        // A failed order is itself still open, and no difference is expected before its deadline.
        if (end == OrderStatus.Confirmed) Assert.All(Unfinished(history), moment => Assert.Equal(InvariantState.UnderWay, Worst(At(moment))));
    }

    [Theory, MemberData(nameof(Endings))]
    public void A_crash_without_recovery_is_broken(OrderStatus end, string[] writes)
    {
        var history = CreateHistory(end, writes, now.AddMinutes(-10));
        Assert.All(Unfinished(history), moment => Assert.Equal(InvariantState.Broken, Worst(At(moment))));
        Assert.Equal(InvariantState.Holds, Worst(At(history[^1])));
    }

    [Fact]
    public void A_difference_under_way_names_the_participant_and_the_due_time()
    {
        var confirmed = CreateHistory(OrderStatus.Confirmed, [A, B, Reserved, Account, Payment], now.AddSeconds(-3))[1];
        var settled = Audit.Evaluate(At(confirmed), Deadline).Single(one => one.Name == "a confirmed order is settled");
        Assert.Equal(["order ORD-1 at Stock", "order ORD-1 at Payments"], settled.UnderWay.Select(one => one.Subject));
        Assert.Matches(@"^order ORD-1 was confirmed 3 s ago and Stock has not settled yet; it will by \S+ \S+Z, look again then$", settled.UnderWay[0].What);
        Assert.InRange(settled.UnderWay[0].Until!.Value, now.AddSeconds(75), now.AddSeconds(120));
        Assert.Empty(settled.Violations);
    }

    private static InvariantState Worst(ShopSnapshot snapshot) => Audit.Evaluate(snapshot, Deadline).Select(one => one.State).MaxBy(state => state switch
    {
        InvariantState.Broken => 3,
        InvariantState.UnderWay => 2,
        InvariantState.NotChecked => 1,
        InvariantState.Holds => 0,
    });

    /// <summary>A snapshot whose reads all happen at the same moment.</summary>
    private ShopSnapshot At(Records moment) => new(now, moment.Catalog, [new(moment.Order, moment.Reservation, moment.Payment)], null, moment.Catalog);

    /// <summary>The moments after the order has ended and before the last write.</summary>
    private static IEnumerable<Records> Unfinished(IReadOnlyList<Records> history) => history.Skip(1).SkipLast(1);

    /// <summary>The stored records: pending, then final, then after each write, then closed.</summary>
    private static List<Records> CreateHistory(OrderStatus end, string[] writes, DateTime when)
    {
        var time = Timestamp.FromDateTime(when);
        var order = new Order
        {
            OrderId = "1", OrderNumber = "ORD-1", UserId = "u", Status = OrderStatus.Pending, FinalAmount = 500, PlacedTime = time,
            Items = { new OrderLine { ProductId = A, Quantity = 2 }, new OrderLine { ProductId = B, Quantity = 3 } },
        };
        List<Records> history =
        [
            new(order, new() { Status = ReservationStatus.Reserved, Items = { order.Items }, UpdateTime = time },
                new() { Status = PaymentStatus.Charged, UserId = "u", Amount = 500, UpdateTime = time },
                new() { ProductId = A, Stocked = 10, Available = 8, Held = 2 }, new() { ProductId = B, Stocked = 10, Available = 7, Held = 3 },
                new() { UserId = "u", Deposited = 1000, Balance = 500, Held = 500 }),
        ];
        var confirmed = end == OrderStatus.Confirmed;
        Write(moment => (moment.Order.Status, moment.Order.FinalTime, moment.Order.IsClosed) = (end, time, confirmed));
        foreach (var write in writes)
        {
            Write(moment =>
            {
                switch (write)
                {
                    case A or B:
                        var product = write == A ? moment.First : moment.Second;
                        if (confirmed) product.Sold = product.Held;
                        else product.Available += product.Held;
                        product.Held = 0;
                        break;
                    case Reserved:
                        moment.Reservation.Status = confirmed ? ReservationStatus.Settled : ReservationStatus.Released;
                        break;
                    case Account:
                        if (confirmed) moment.Account.Spent = moment.Account.Held;
                        else moment.Account.Balance += moment.Account.Held;
                        moment.Account.Held = 0;
                        break;
                    case Payment:
                        moment.Payment.Status = confirmed ? PaymentStatus.Settled : PaymentStatus.Refunded;
                        break;
                }
            });
        }
        if (!confirmed) Write(moment => moment.Order.IsClosed = true);
        return history;

        void Write(Action<Records> change)
        {
            var last = history[^1];
            var next = new Records(
                last.Order.Clone(), last.Reservation.Clone(), last.Payment.Clone(), last.First.Clone(), last.Second.Clone(), last.Account.Clone());
            change(next);
            history.Add(next);
        }
    }

    private sealed record Records(Order Order, Reservation Reservation, Payment Payment, Product First, Product Second, Account Account)
    {
        public Catalog Catalog => new(
            new Dictionary<string, Product> { [A] = First, [B] = Second },
            new Dictionary<string, Account> { ["u"] = Account }, new Dictionary<string, Coupon>());
    }
}
