using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Checks, once all is at rest and by what any client can read, that the orders, the stock, the accounts and the coupons tell one story.</summary>
internal sealed class Audit(ShopClients shop, Goods goods, Insistence insistence, IReadOnlyList<Placed> placed)
{
    private readonly Found found = new(shop, insistence);
    private readonly List<Breach> breaches = [];

    /// <summary>The orders as they are in the end.</summary>
    public List<Order> Orders { get; } = [];

    public IReadOnlyList<Breach> Breaches => breaches;

    private IEnumerable<Order> Confirmed => Orders.Where(order => order.Status == OrderStatus.Confirmed);

    public async Task RunAsync()
    {
        foreach (var order in placed) await OrderAsync(order);
        foreach (var product in Goods.Products) await ProductAsync(product);
        foreach (var user in Goods.Users) await UserAsync(user);
    }

    private async Task OrderAsync(Placed asked)
    {
        if (await found.OrderAsync(asked.Id) is not { } order)
        {
            Add(Harm.Lost, asked.Id, "was accepted and is not there");
            return;
        }
        Orders.Add(order);
        Must(order.Status is OrderStatus.Confirmed or OrderStatus.Failed, Harm.Stuck, order.OrderId, $"is {order.Status}");
        foreach (var (status, reason) in asked.Told)
        {
            Must(status == OrderStatus.Pending || (status, reason) == (order.Status, order.Reason), Harm.Contradiction, order.OrderId,
                $"its client was told {status} {reason}; it is {order.Status} {order.Reason}");
        }
        var again = (await insistence.AnswerAsync(options => shop.Orders.PlaceOrderAsync(asked.Request, options))).Order;
        Must(again.OrderId == order.OrderId, Harm.Doubled, order.OrderId, $"its key now is order {again.OrderId}");
        Must(again.Equals(order), Harm.Contradiction, order.OrderId, "placing it again shows another order");
        await ReservationAsync(order);
        await PaymentAsync(order);
    }

    private async Task ReservationAsync(Order order)
    {
        var reservation = await found.ReservationAsync(order.OrderId);
        var right = order.Status == OrderStatus.Confirmed
            ? reservation is { Status: ReservationStatus.Settled }
            : reservation is { Status: ReservationStatus.Released or ReservationStatus.Rejected };
        Must(right, Harm.Contradiction, order.OrderId, $"is {order.Status} and its reservation {reservation?.Status.ToString() ?? "absent"}");
        Must(reservation is null || Pieces(reservation.Items).SequenceEqual(Pieces(order.Items)), Harm.Contradiction, order.OrderId, "its reservation has other items");
    }

    private async Task PaymentAsync(Order order)
    {
        var payment = await found.PaymentAsync(order.OrderId);
        var right = order.Status == OrderStatus.Confirmed
            ? payment is { Status: PaymentStatus.Settled }
            : payment is { Status: PaymentStatus.Refunded or PaymentStatus.Declined };
        Must(right, Harm.Contradiction, order.OrderId, $"is {order.Status} and its payment {payment?.Status.ToString() ?? "absent"}");
        Must(payment is null || (payment.UserId, payment.Amount) == (order.UserId, order.FinalAmount), Harm.Contradiction, order.OrderId, "its payment is of another user or amount");
    }

    private async Task ProductAsync(string id)
    {
        var product = (await insistence.AnswerAsync(options => shop.Stock.GetProductAsync(new() { ProductId = id }, options))).Product;
        var sold = Confirmed.SelectMany(order => order.Items).Where(item => item.ProductId == id).Sum(item => (long)item.Quantity);
        Add(Breach.Between($"sold of {id}", sold, product.Sold));
        Add(Breach.Between($"all there ever was of {id}", goods.Stocked(id), product.Available + product.Held + product.Sold));
        Must(product is { Available: >= 0, Held: 0 }, Harm.Contradiction, null, $"of {id} {product.Available} are available and {product.Held} held");
    }

    private async Task UserAsync(string user)
    {
        var account = (await insistence.AnswerAsync(options => shop.Payments.GetAccountAsync(new() { UserId = user }, options))).Account;
        Add(Breach.Between($"spent by {user}", Confirmed.Where(order => order.UserId == user).Sum(order => order.FinalAmount), account.Spent));
        Add(Breach.Between($"all that {user} ever had", goods.Deposited(user), account.Balance + account.Held + account.Spent));
        Must(account is { Balance: >= 0, Held: 0 }, Harm.Contradiction, null, $"{user} has a balance of {account.Balance} and {account.Held} held");

        var listed = (await insistence.AnswerAsync(options => shop.Coupons.ListCouponsAsync(new() { UserId = user }, options))).Coupons;
        Must(listed.Select(coupon => coupon.UserCouponId).Order().SequenceEqual(goods.CouponsOf(user).Order()), Harm.Lost, null, $"{user} has other coupons than were issued");
        foreach (var coupon in listed)
        {
            var users = Confirmed.Where(order => order.UserCouponId == coupon.UserCouponId).ToArray();
            Must(users.Length <= 1, Harm.Doubled, users.LastOrDefault()?.OrderId, $"coupon {coupon.UserCouponId} is used by {users.Length} orders");
            Must(coupon.Status == (users.Length > 0 ? CouponStatus.Used : CouponStatus.Available), Harm.Contradiction, users.FirstOrDefault()?.OrderId,
                $"coupon {coupon.UserCouponId} is {coupon.Status} and {users.Length} confirmed orders use it");
        }
    }

    private static IEnumerable<(string, int)> Pieces(IEnumerable<OrderLine> lines) => lines.Select(line => (line.ProductId, line.Quantity)).Order();

    private void Must(bool holds, Harm harm, string? order, string what)
    {
        if (!holds) Add(harm, order, what);
    }

    private void Add(Harm harm, string? order, string what) => breaches.Add(new(harm, order, what));

    private void Add(Breach? breach)
    {
        if (breach is not null) breaches.Add(breach);
    }
}
