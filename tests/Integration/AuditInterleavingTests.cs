using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.Audits;
using Shop.V1;

namespace Integration;

/// <summary>
/// An order of two products ends, and every write that follows from it is done on its own, in every order. Wherever readings fall between
/// the writes, nothing is called broken; where it stays unfinished for long, something is.
/// </summary>
public sealed class AuditInterleavingTests
{
    private const string A = "a", B = "b", Claim = "claim", Account = "account", Payment = "payment";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DateTime now = DateTime.UtcNow;

    /// <summary>How it ends, and in which order Stock and Payments write.</summary>
    public static TheoryData<OrderStatus, string[]> Endings
    {
        get
        {
            var endings = new TheoryData<OrderStatus, string[]>();
            foreach (var end in (OrderStatus[])[OrderStatus.Confirmed, OrderStatus.Failed])
            {
                foreach (var stock in (string[][])[[A, B, Claim], [B, A, Claim], [A, Claim, B], [B, Claim, A], [Claim, A, B], [Claim, B, A]])
                {
                    endings.Add(end, [.. stock, Account, Payment]);
                    endings.Add(end, [Payment, Account, .. stock]);
                }
            }
            return endings;
        }
    }

    [Theory, MemberData(nameof(Endings))]
    public void Wherever_readings_fall_between_writes_nothing_is_broken(OrderStatus end, string[] writes)
    {
        var story = StoryOf(end, writes, now);
        for (var before = 0; before < story.Count; before++)
        {
            for (var order = before; order < story.Count; order++)
            {
                for (var claim = order; claim < story.Count; claim++)
                {
                    for (var after = claim; after < story.Count; after++)
                    {
                        var books = new ShopSnapshot(now, story[before].Catalog, [new(story[order].Order, story[claim].Reservation, story[claim].Payment)], null, story[after].Catalog);
                        Assert.All(Audit.Evaluate(books, Deadline), one => Assert.True(one.State != InvariantState.Broken, $"{before} {order} {claim} {after}: {string.Join("; ", one.Breaches)}"));
                    }
                }
            }
        }
    }

    [Theory, MemberData(nameof(Endings))]
    public void Who_dies_between_two_writes_leaves_something_under_way_until_the_event_is_claimed_again(OrderStatus end, string[] writes)
    {
        var story = StoryOf(end, writes, now.AddSeconds(-75));
        Assert.All(story, moment => Assert.NotEqual(InvariantState.Broken, Worst(At(moment))));
        // An order that has failed is itself still open, which says it all.
        if (end == OrderStatus.Confirmed) Assert.All(Unfinished(story), moment => Assert.Equal(InvariantState.UnderWay, Worst(At(moment))));
    }

    [Theory, MemberData(nameof(Endings))]
    public void Who_never_comes_back_leaves_something_broken(OrderStatus end, string[] writes)
    {
        var story = StoryOf(end, writes, now.AddMinutes(-10));
        Assert.All(Unfinished(story), moment => Assert.Equal(InvariantState.Broken, Worst(At(moment))));
        Assert.Equal(InvariantState.Holds, Worst(At(story[^1])));
    }

    [Fact]
    public void What_is_under_way_is_named_with_who_and_until_when()
    {
        var confirmed = StoryOf(OrderStatus.Confirmed, [A, B, Claim, Account, Payment], now.AddSeconds(-3))[1];
        var settled = Audit.Evaluate(At(confirmed), Deadline).Single(one => one.Name == "a confirmed order is settled");
        Assert.Equal(["order ORD-1 at Stock", "order ORD-1 at Payments"], settled.UnderWay.Select(one => one.Subject));
        Assert.Matches(@"^order ORD-1 was confirmed 3 s ago and Stock has not settled yet; it will by \S+ \S+Z, look again then$", settled.UnderWay[0].What);
        Assert.InRange(settled.UnderWay[0].Until!.Value, now.AddSeconds(75), now.AddSeconds(120));
        Assert.Empty(settled.Breaches);
    }

    private static InvariantState Worst(ShopSnapshot books) => Audit.Evaluate(books, Deadline).Select(one => one.State).MaxBy(state => state switch
    {
        InvariantState.Broken => 3,
        InvariantState.UnderWay => 2,
        InvariantState.NotLookedAt => 1,
        InvariantState.Holds => 0,
    });

    /// <summary>All readings at the same moment.</summary>
    private ShopSnapshot At(Moment moment) => new(now, moment.Catalog, [new(moment.Order, moment.Reservation, moment.Payment)], null, moment.Catalog);

    /// <summary>After the order's end and before all is done.</summary>
    private static IEnumerable<Moment> Unfinished(IReadOnlyList<Moment> story) => story.Skip(1).SkipLast(1);

    /// <summary>What is stored, after each write: pending, ended, then the writes, then at rest.</summary>
    private static List<Moment> StoryOf(OrderStatus end, string[] writes, DateTime when)
    {
        var time = Timestamp.FromDateTime(when);
        var order = new Order
        {
            OrderId = "1", OrderNumber = "ORD-1", UserId = "u", Status = OrderStatus.Pending, FinalAmount = 500, PlacedTime = time,
            Items = { new OrderLine { ProductId = A, Quantity = 2 }, new OrderLine { ProductId = B, Quantity = 3 } },
        };
        List<Moment> story =
        [
            new(order, new() { Status = ReservationStatus.Reserved, Items = { order.Items }, UpdateTime = time }, new() { Status = PaymentStatus.Charged, UserId = "u", Amount = 500, UpdateTime = time },
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
                    case Claim:
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
        return story;

        void Write(Action<Moment> change)
        {
            var last = story[^1];
            var next = new Moment(last.Order.Clone(), last.Reservation.Clone(), last.Payment.Clone(), last.First.Clone(), last.Second.Clone(), last.Account.Clone());
            change(next);
            story.Add(next);
        }
    }

    private sealed record Moment(Order Order, Reservation Reservation, Payment Payment, Product First, Product Second, Account Account)
    {
        public Catalog Catalog => new(new Dictionary<string, Product> { [A] = First, [B] = Second }, new Dictionary<string, Account> { ["u"] = Account }, new Dictionary<string, Coupon>());
    }
}
