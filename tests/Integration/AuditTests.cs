using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.Audits;
using Shop.V1;

namespace Integration;

/// <summary>Each invariant of the audit holds for a consistent snapshot, and is broken by one inconsistency.</summary>
public sealed class AuditTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DateTime now = DateTime.UtcNow;
    private readonly Product product = new() { ProductId = "p", Stocked = 10, Available = 7, Held = 1, Sold = 2 };
    private readonly Account account = new() { UserId = "u", Deposited = 10_000, Balance = 6_500, Held = 1_000, Spent = 2_500 };
    private readonly Coupon coupon = new() { UserCouponId = "c", Status = CouponStatus.Used };
    private readonly List<Product> others = [];
    private readonly List<OrderRecords> orders;
    private readonly List<DeadLetter> letters = [];
    private readonly Dictionary<string, string> unavailable = [];
    private readonly Dictionary<string, string> unreadable = [];
    private DateTime? completeSince;

    public AuditTests() => orders =
    [
        CreateOrder("confirmed", OrderStatus.Confirmed, 2, 2_500, ReservationStatus.Settled, PaymentStatus.Settled, "c"),
        CreateOrder("failed", OrderStatus.Failed, 3, 3_000, ReservationStatus.Released, PaymentStatus.Declined),
        CreateOrder("pending", OrderStatus.Pending, 1, 1_000, ReservationStatus.Reserved, PaymentStatus.Charged),
    ];

    [Fact]
    public void A_consistent_snapshot_breaks_no_invariant() =>
        Assert.All(Invariants(), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Violations)));

    [Fact]
    public void Stock_that_does_not_add_up() => Breaks("stock adds up", () => product.Available = 8);

    [Fact]
    public void Negative_stock() => Breaks("stock adds up", () => (product.Available, product.Stocked) = (-1, 2));

    [Fact]
    public void A_failed_order_that_is_settled_although_its_compensation_is_not_complete() => Breaks("a failed order holds nothing", () =>
    {
        (orders[2].Order.Status, orders[2].Order.FinalTime) = (OrderStatus.Failed, At(-1));
        orders[2].Payment!.Status = PaymentStatus.Settled;
        (account.Held, account.Spent) = (0, 3_500);
    });

    [Fact]
    public void Sums_of_several_large_holdings_do_not_overflow()
    {
        (product.Stocked, product.Available) = (long.MaxValue, long.MaxValue - 3);
        (account.Deposited, account.Balance) = (long.MaxValue, long.MaxValue - 3_500);
        others.Add(new() { ProductId = "q", Stocked = long.MaxValue, Available = long.MaxValue });
        Assert.All(Invariants(), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Violations)));
    }

    [Fact]
    public void Money_that_does_not_add_up() => Breaks("money adds up", () => account.Balance = 1);

    [Fact]
    public void Sold_pieces_without_an_order() => Breaks("sold is what settled orders took", () => (product.Sold, product.Available) = (3, 6));

    [Fact]
    public void A_settled_order_whose_pieces_are_not_sold() => Breaks("sold is what settled orders took", () => (product.Sold, product.Available) = (1, 8));

    [Fact]
    public void Spent_money_without_an_order() => Breaks("spent is what settled orders cost", () => (account.Spent, account.Balance) = (3_000, 6_000));

    [Fact]
    public void After_orders_have_expired_more_may_be_sold_than_orders_show_but_not_less()
    {
        completeSince = now.AddDays(-7);
        (product.Sold, product.Available) = (4, 5);
        Assert.All(Invariants(), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Violations)));
        Breaks("sold is what settled orders took", () => (product.Sold, product.Available) = (1, 8));
    }

    [Fact]
    public void A_coupon_used_twice() => Breaks("a coupon is used by one confirmed order",
        () => orders[1].Order.MergeFrom(new Order { Status = OrderStatus.Confirmed, UserCouponId = "c" }));

    [Fact]
    public void An_available_coupon_of_a_confirmed_order() => Breaks("a coupon is used by one confirmed order", () => coupon.Status = CouponStatus.Available);

    [Fact]
    public void A_used_coupon_without_an_order() => Breaks("a coupon is used by one confirmed order", () => orders[0].Order.ClearUserCouponId());

    [Fact]
    public void A_confirmed_order_without_its_goods() => Breaks("a confirmed order has its goods and is paid",
        () => orders[0] = orders[0] with { Reservation = null });

    [Fact]
    public void A_confirmed_order_with_other_goods() => Breaks("a confirmed order has its goods and is paid",
        () => orders[0].Reservation!.Items[0].Quantity = 9);

    [Fact]
    public void A_confirmed_order_that_is_not_paid() => Breaks("a confirmed order has its goods and is paid",
        () => orders[0].Payment!.Status = PaymentStatus.Refunded);

    [Fact]
    public void A_confirmed_order_that_is_paid_with_another_amount() => Breaks("a confirmed order has its goods and is paid",
        () => orders[0].Payment!.Amount = 1);

    [Fact]
    public void A_failed_order_that_holds_stock() => Breaks("a failed order holds nothing", () => orders[1].Reservation!.Status = ReservationStatus.Reserved);

    [Fact]
    public void A_failed_order_that_was_paid() => Breaks("a failed order holds nothing", () => orders[1].Payment!.Status = PaymentStatus.Settled);

    [Fact]
    public void A_confirmed_order_that_a_participant_has_not_done() => Breaks("each step of a closed order ended as the order did",
        () => orders[0].Order.Steps.Add(new StepProgress { Name = "points", State = StepState.Waiting }));

    [Fact]
    public void A_failed_order_that_a_participant_has_done_and_not_undone() => Breaks("each step of a closed order ended as the order did",
        () => orders[1].Order.Steps.Add(new StepProgress { Name = "points", State = StepState.Done, Reference = "points-1", Compensated = true }));

    [Fact]
    public void An_order_that_is_never_closed() => Breaks("no order waits for ever", () => orders[2].Order.PlacedTime = At(-200));

    [Fact]
    public void Held_stock_without_an_order() => Breaks("what is held is held for an order", () => orders.RemoveAt(2));

    [Fact]
    public void Held_money_without_an_order() => Breaks("what is held is held for an order", () => (account.Held, account.Balance) = (1_001, 6_499));

    [Fact]
    public void Changes_between_the_two_catalog_reads_break_no_invariant()
    {
        var before = new Catalog(new Dictionary<string, Product> { ["p"] = new() { ProductId = "p", Stocked = 10, Available = 6, Held = 3, Sold = 1 } },
            new Dictionary<string, Account> { ["u"] = new() { UserId = "u", Deposited = 10_000, Balance = 6_500, Held = 2_500, Spent = 1_000 } },
            new Dictionary<string, Coupon>());
        orders[0].Reservation!.UpdateTime = orders[0].Payment!.UpdateTime = At(0);
        Assert.All(Audit.Evaluate(Read() with { Before = before }, Deadline), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Violations)));
    }

    [Fact]
    public void A_confirmed_order_that_is_never_settled() => Breaks("a confirmed order is settled", () =>
    {
        orders[0].Reservation!.Status = ReservationStatus.Reserved;
        orders[0].Order.FinalTime = At(-600);
    });

    [Fact]
    public void A_confirmed_order_whose_coupon_is_never_settled() => Breaks("a confirmed order is settled", () =>
    {
        coupon.Status = CouponStatus.Held;
        orders[0].Order.FinalTime = At(-600);
    });

    [Fact]
    public void A_held_coupon_without_an_order() => Breaks("what is held is held for an order", () =>
    {
        coupon.Status = CouponStatus.Held;
        orders[0].Order.ClearUserCouponId();
    });

    [Fact]
    public void A_dead_reservation_is_broken_until_it_is_released()
    {
        letters.Add(new()
        {
            AppId = "stock",
            Topic = DeadLetterList.ReservationsTopic,
            OrderId = "pending",
            DeadLetterId = "0123",
            Problem = "product p is gone.",
        });
        var invariant = Invariants().Single(one => one.Name == "every reservation can be brought to its end");
        Assert.Equal("order pending: stock cannot handle its reservation: product p is gone. ./shop dead-letters show 0123", Assert.Single(invariant.Violations));
        orders[2].Reservation!.Status = ReservationStatus.Released;
        Assert.True(Invariants().Single(one => one.Name == invariant.Name).Holds);
    }

    [Fact]
    public void Other_dead_letters_are_only_counted()
    {
        letters.AddRange([new() { AppId = "stock", Topic = "order-failed" }, new() { AppId = "stock" }, new() { AppId = "orders" }]);
        var invariant = Invariants().Single(one => one.Name == "every reservation can be brought to its end");
        Assert.True(invariant.Holds);
        Assert.Equal("3 dead letters wait (stock 2, orders 1): ./shop dead-letters list", invariant.Sums);
    }

    [Fact]
    public void Without_Stock_only_invariants_that_need_it_are_not_checked()
    {
        unavailable["Stock"] = "UNAVAILABLE";
        orders[0] = orders[0] with { Reservation = null };
        product.Available = 8;
        var states = Invariants().ToDictionary(one => one.Name, one => one.State);
        Assert.All(["stock adds up", "sold is what settled orders took", "a confirmed order has its goods and is paid"],
            name => Assert.Equal(InvariantState.NotChecked, states[name]));
        Assert.All(["money adds up", "no order waits for ever"], name => Assert.Equal(InvariantState.Holds, states[name]));
        Assert.Equal(3, AuditCommand.GetExitCode(Invariants()));
        account.Balance = 1;
        Assert.Equal(1, AuditCommand.GetExitCode(Invariants()));
    }

    [Fact]
    public void Without_Orders_only_the_sums_of_stock_and_money_are_checked()
    {
        unavailable["Orders"] = "UNAVAILABLE";
        orders.Clear();
        Assert.Equal(["stock adds up", "money adds up"], Invariants().Where(one => one.Holds).Select(one => one.Name));
        Assert.DoesNotContain(Invariants(), one => one.State is InvariantState.Broken or InvariantState.UnderWay);
    }

    [Fact]
    public void An_order_past_its_deadline_is_under_way_and_the_exit_code_is_4()
    {
        orders[2].Order.PlacedTime = At(-90);
        var waiting = Invariants().Single(one => one.Name == "no order waits for ever");
        Assert.Equal(InvariantState.UnderWay, waiting.State);
        // A minute of it is for clocks that differ.
        Assert.Equal(now.AddSeconds(90), waiting.UnderWay[0].Until);
        Assert.Equal(4, AuditCommand.GetExitCode(Invariants()));
    }

    [Fact]
    public void Only_differences_in_two_successive_snapshots_are_reported()
    {
        var (later, until) = (now.AddSeconds(10), now.AddSeconds(60));
        Invariant With(params Discrepancy[] found) => new("n", "", found, []);
        Discrepancy broken = new("product p", "p: 1 is missing", null), underWay = new("product q", "q: 1 is on its way", until);
        Invariant Confirm(Invariant previous, Invariant current) => Assert.Single(AuditRunner.Confirm([previous], [current], later));

        Assert.Equal(InvariantState.Holds, Confirm(With(broken, underWay), With()).State);
        Assert.Equal(InvariantState.Holds, Confirm(With(), With(underWay)).State);
        Assert.Equal(InvariantState.Broken, Confirm(With(broken), With(broken)).State);
        Assert.Equal(InvariantState.UnderWay, Confirm(With(underWay), With(underWay)).State);
        var suspected = Assert.Single(Confirm(With(), With(broken)).Discrepancies);
        Assert.Equal(later, suspected.Until);
        Assert.Contains("look again", suspected.What);
    }

    [Fact]
    public void A_document_that_cannot_be_read_is_broken_also_when_a_service_does_not_answer()
    {
        unreadable["product lamp"] = "Stock";
        var invariant = Invariants().Single(one => !one.Holds);
        Assert.Equal("every document can be read", invariant.Name);
        Assert.Equal("product lamp: Stock cannot read it, and its log says why", Assert.Single(invariant.Violations));
        Assert.Equal(1, AuditCommand.GetExitCode(Invariants()));
        unavailable["Payments"] = "UNAVAILABLE";
        Assert.Equal(1, AuditCommand.GetExitCode(Invariants()));
    }

    [Fact]
    public void Nothing_else_is_said_of_a_product_and_a_coupon_that_cannot_be_read()
    {
        (unreadable["product q"], unreadable["coupon d"]) = ("Stock", "Coupons");
        var confirmed = CreateOrder("of q", OrderStatus.Confirmed, 2, 0, ReservationStatus.Settled, PaymentStatus.Settled, "d");
        confirmed.Order.Items[0].ProductId = confirmed.Reservation!.Items[0].ProductId = "q";
        orders.Add(confirmed);
        Assert.Equal("every document can be read", Invariants().Single(one => !one.Holds).Name);
    }

    private void Breaks(string name, Action corrupt)
    {
        corrupt();
        Assert.Equal(InvariantState.Broken, Invariants().Single(invariant => invariant.Name == name).State);
    }

    private IReadOnlyList<Invariant> Invariants() => Audit.Evaluate(Read(), Deadline);

    private ShopSnapshot Read()
    {
        var catalog = new Catalog(
            others.Append(product).ToDictionary(one => one.ProductId),
            new Dictionary<string, Account> { ["u"] = account },
            new Dictionary<string, Coupon> { ["c"] = coupon });
        return new(now, catalog, orders, completeSince, catalog) { DeadLetters = letters, Unavailable = unavailable, Unreadable = unreadable };
    }

    private OrderRecords CreateOrder(
        string id, OrderStatus status, int quantity, long amount, ReservationStatus reservation, PaymentStatus payment, string? with = null)
    {
        var items = new[] { new OrderLine { ProductId = "p", Quantity = quantity } };
        var order = new Order
        {
            OrderId = id,
            UserId = "u",
            Status = status,
            Items = { items },
            FinalAmount = amount,
            PlacedTime = At(-10),
            IsClosed = status != OrderStatus.Pending,
        };
        if (with is not null) order.UserCouponId = with;
        return new(order, new() { OrderId = id, Status = reservation, Items = { items.Select(item => item.Clone()) }, UpdateTime = At(-1000) },
            new() { OrderId = id, Status = payment, UserId = "u", Amount = amount, UpdateTime = At(-1000) });
    }

    private Timestamp At(int seconds) => Timestamp.FromDateTime(now.AddSeconds(seconds));
}
