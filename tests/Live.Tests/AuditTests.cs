using Google.Protobuf.WellKnownTypes;
using Shop;
using Shop.V1;

namespace Live;

/// <summary>Each invariant of the audit holds for books that are right, and is broken by the one thing that breaks it.</summary>
public sealed class AuditTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DateTime now = DateTime.UtcNow;
    private readonly Product product = new() { ProductId = "p", Stocked = 10, Available = 7, Held = 1, Sold = 2 };
    private readonly Account account = new() { UserId = "u", Deposited = 10_000, Balance = 6_500, Held = 1_000, Spent = 2_500 };
    private readonly Coupon coupon = new() { UserCouponId = "c", Status = CouponStatus.Used };
    private readonly List<BookedOrder> orders;
    private DateTime? completeSince;

    public AuditTests() => orders =
    [
        OrderOf("confirmed", OrderStatus.Confirmed, 2, 2_500, ReservationStatus.Settled, PaymentStatus.Settled, "c"),
        OrderOf("failed", OrderStatus.Failed, 3, 3_000, ReservationStatus.Released, PaymentStatus.Declined),
        OrderOf("pending", OrderStatus.Pending, 1, 1_000, ReservationStatus.Reserved, PaymentStatus.Charged),
    ];

    [Fact]
    public void Books_that_are_right_break_nothing() => Assert.All(Invariants(), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Breaches)));

    [Fact]
    public void Stock_that_does_not_add_up() => Breaks("stock adds up", () => product.Available = 8);

    [Fact]
    public void A_product_of_which_less_than_nothing_is_there() => Breaks("stock adds up", () => (product.Available, product.Stocked) = (-1, 2));

    [Fact]
    public void Money_that_does_not_add_up() => Breaks("money adds up", () => account.Balance = 1);

    [Fact]
    public void Sold_without_an_order() => Breaks("sold is what settled orders took", () => (product.Sold, product.Available) = (3, 6));

    [Fact]
    public void Taken_by_an_order_and_not_sold() => Breaks("sold is what settled orders took", () => (product.Sold, product.Available) = (1, 8));

    [Fact]
    public void Spent_without_an_order() => Breaks("spent is what settled orders cost", () => (account.Spent, account.Balance) = (3_000, 6_000));

    [Fact]
    public void Once_orders_are_forgotten_more_may_be_gone_than_they_show_but_not_less()
    {
        completeSince = now.AddDays(-7);
        (product.Sold, product.Available) = (4, 5);
        Assert.All(Invariants(), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Breaches)));
        Breaks("sold is what settled orders took", () => (product.Sold, product.Available) = (1, 8));
    }

    [Fact]
    public void A_coupon_used_twice() => Breaks("a coupon is used by one confirmed order", () => orders[1].Order.MergeFrom(new Order { Status = OrderStatus.Confirmed, UserCouponId = "c" }));

    [Fact]
    public void A_coupon_of_a_confirmed_order_that_can_be_used_again() => Breaks("a coupon is used by one confirmed order", () => coupon.Status = CouponStatus.Available);

    [Fact]
    public void A_coupon_that_is_used_by_nobody() => Breaks("a coupon is used by one confirmed order", () => orders[0].Order.ClearUserCouponId());

    [Fact]
    public void A_confirmed_order_without_its_goods() => Breaks("a confirmed order has its goods and is paid", () => orders[0] = orders[0] with { Reservation = null });

    [Fact]
    public void A_confirmed_order_with_other_goods() => Breaks("a confirmed order has its goods and is paid", () => orders[0].Reservation!.Items[0].Quantity = 9);

    [Fact]
    public void A_confirmed_order_that_is_not_paid() => Breaks("a confirmed order has its goods and is paid", () => orders[0].Payment!.Status = PaymentStatus.Refunded);

    [Fact]
    public void A_confirmed_order_that_is_paid_with_another_amount() => Breaks("a confirmed order has its goods and is paid", () => orders[0].Payment!.Amount = 1);

    [Fact]
    public void A_failed_order_that_holds_stock() => Breaks("a failed order holds nothing", () => orders[1].Reservation!.Status = ReservationStatus.Reserved);

    [Fact]
    public void A_failed_order_that_was_paid() => Breaks("a failed order holds nothing", () => orders[1].Payment!.Status = PaymentStatus.Settled);

    [Fact]
    public void An_order_that_waits_for_ever() => Breaks("no order waits for ever", () => orders[2].Order.PlacedTime = At(-200));

    [Fact]
    public void Stock_held_by_nobody() => Breaks("what is held is held for an order", () => orders.RemoveAt(2));

    [Fact]
    public void Money_held_by_nobody() => Breaks("what is held is held for an order", () => (account.Held, account.Balance) = (1_001, 6_499));

    [Fact]
    public void What_changed_while_it_was_read_is_no_breach()
    {
        var before = new Goods(new Dictionary<string, Product> { ["p"] = new() { ProductId = "p", Stocked = 10, Available = 6, Held = 3, Sold = 1 } },
            new Dictionary<string, Account> { ["u"] = new() { UserId = "u", Deposited = 10_000, Balance = 6_500, Held = 2_500, Spent = 1_000 } }, new Dictionary<string, Coupon>());
        orders[0].Reservation!.UpdateTime = orders[0].Payment!.UpdateTime = At(0);
        Assert.All(Audit.Of(Read() with { Before = before }, Deadline), invariant => Assert.True(invariant.Holds, string.Join("\n", invariant.Breaches)));
    }

    private void Breaks(string name, Action spoil)
    {
        spoil();
        Assert.False(Invariants().Single(invariant => invariant.Name == name).Holds);
    }

    private IReadOnlyList<Invariant> Invariants() => Audit.Of(Read(), Deadline);

    private Books Read()
    {
        var goods = new Goods(new Dictionary<string, Product> { ["p"] = product }, new Dictionary<string, Account> { ["u"] = account }, new Dictionary<string, Coupon> { ["c"] = coupon });
        return new(now, goods, orders, completeSince, goods);
    }

    private BookedOrder OrderOf(string id, OrderStatus status, int quantity, long amount, ReservationStatus reservation, PaymentStatus payment, string? with = null)
    {
        var items = new[] { new OrderLine { ProductId = "p", Quantity = quantity } };
        var order = new Order { OrderId = id, UserId = "u", Status = status, Items = { items }, FinalAmount = amount, PlacedTime = At(-10), Settled = status != OrderStatus.Pending };
        if (with is not null) order.UserCouponId = with;
        return new(order, new() { OrderId = id, Status = reservation, Items = { items.Select(item => item.Clone()) }, UpdateTime = At(-100) },
            new() { OrderId = id, Status = payment, UserId = "u", Amount = amount, UpdateTime = At(-100) });
    }

    private Timestamp At(int seconds) => Timestamp.FromDateTime(now.AddSeconds(seconds));
}
