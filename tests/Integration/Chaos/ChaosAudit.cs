using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>
/// Checks after a run, by the public API, that orders, stock, accounts and coupons agree with each other and with the answers that
/// customers received.
/// </summary>
internal sealed class ChaosAudit(ShopClients shop, ChaosCatalog catalog, RetryingClient client, IReadOnlyList<PlacedOrder> placed)
{
    private readonly RecordReader records = new(shop, client);
    private readonly List<InvariantViolation> violations = [];

    /// <summary>The final orders.</summary>
    public List<Order> Orders { get; } = [];

    public IReadOnlyList<InvariantViolation> Violations => violations;

    private IEnumerable<Order> Confirmed => Orders.Where(order => order.Status == OrderStatus.Confirmed);

    public async Task RunAsync()
    {
        foreach (var order in placed) await OrderAsync(order);
        foreach (var product in ChaosCatalog.Products) await ProductAsync(product);
        foreach (var user in ChaosCatalog.Users) await UserAsync(user);
    }

    private async Task OrderAsync(PlacedOrder placedOrder)
    {
        if (await records.OrderAsync(placedOrder.Id) is not { } order)
        {
            Add(ViolationKind.Lost, placedOrder.Id, "was accepted and is missing");
            return;
        }
        Orders.Add(order);
        Check(order.Status is OrderStatus.Confirmed or OrderStatus.Failed, ViolationKind.Stuck, order.OrderId, $"is {order.Status}");
        foreach (var (status, reason) in placedOrder.KnownOutcomes)
        {
            Check(status == OrderStatus.Pending || (status, reason) == (order.Status, order.Reason), ViolationKind.Contradiction, order.OrderId,
                $"its client knows it as {status} {reason}; it is {order.Status} {order.Reason}");
        }
        var again = await PlacedOrder.PlaceAsync(shop.Orders, client, placedOrder.Request, placedOrder.Pattern);
        Check(again.OrderId == order.OrderId, ViolationKind.Doubled, order.OrderId, $"its key now is order {again.OrderId}");
        Check(again.Equals(order), ViolationKind.Contradiction, order.OrderId, "placing it again returns another order");
        await ReservationAsync(order);
        await PaymentAsync(order);
    }

    private async Task ReservationAsync(Order order)
    {
        var reservation = await records.ReservationAsync(order.OrderId);
        var consistent = order.Status == OrderStatus.Confirmed
            ? reservation is { Status: ReservationStatus.Settled }
            : reservation is { Status: ReservationStatus.Released or ReservationStatus.Rejected };
        Check(consistent, ViolationKind.Contradiction, order.OrderId, $"is {order.Status} and its reservation {reservation?.Status.ToString() ?? "absent"}");
        Check(
            reservation is null || GetLines(reservation.Items).SequenceEqual(GetLines(order.Items)),
            ViolationKind.Contradiction, order.OrderId, "its reservation has other items");
    }

    private async Task PaymentAsync(Order order)
    {
        var payment = await records.PaymentAsync(order.OrderId);
        var consistent = order.Status == OrderStatus.Confirmed
            ? payment is { Status: PaymentStatus.Settled }
            : payment is { Status: PaymentStatus.Refunded or PaymentStatus.Declined };
        Check(consistent, ViolationKind.Contradiction, order.OrderId, $"is {order.Status} and its payment {payment?.Status.ToString() ?? "absent"}");
        Check(
            payment is null || (payment.UserId, payment.Amount) == (order.UserId, order.FinalAmount),
            ViolationKind.Contradiction, order.OrderId, "its payment is of another user or amount");
    }

    private async Task ProductAsync(string id)
    {
        var product = (await client.CallAsync(options => shop.Stock.GetProductAsync(new() { ProductId = id }, options))).Product;
        var sold = Confirmed.SelectMany(order => order.Items).Where(item => item.ProductId == id).Sum(item => (long)item.Quantity);
        Add(InvariantViolation.Between($"sold of {id}", sold, product.Sold));
        Add(InvariantViolation.Between($"all pieces of {id}", catalog.GetStocked(id), product.Available + product.Held + product.Sold));
        Check(product is { Available: >= 0, Held: 0 }, ViolationKind.Contradiction, null, $"of {id} {product.Available} are available and {product.Held} held");
    }

    private async Task UserAsync(string user)
    {
        var account = (await client.CallAsync(options => shop.Payments.GetAccountAsync(new() { UserId = user }, options))).Account;
        Add(InvariantViolation.Between($"spent by {user}", Confirmed.Where(order => order.UserId == user).Sum(order => order.FinalAmount), account.Spent));
        Add(InvariantViolation.Between($"all money of {user}", catalog.GetDeposited(user), account.Balance + account.Held + account.Spent));
        Check(account is { Balance: >= 0, Held: 0 }, ViolationKind.Contradiction, null, $"{user} has a balance of {account.Balance} and {account.Held} held");

        var listed = (await client.CallAsync(options => shop.Coupons.ListCouponsAsync(new() { UserId = user }, options))).Coupons;
        Check(
            listed.Select(coupon => coupon.UserCouponId).Order().SequenceEqual(catalog.GetCoupons(user).Order()),
            ViolationKind.Lost, null, $"{user} has other coupons than were issued");
        foreach (var coupon in listed)
        {
            var users = Confirmed.Where(order => order.UserCouponId == coupon.UserCouponId).ToArray();
            Check(users.Length <= 1, ViolationKind.Doubled, users.LastOrDefault()?.OrderId, $"coupon {coupon.UserCouponId} is used by {users.Length} orders");
            Check(
                coupon.Status == (users.Length > 0 ? CouponStatus.Used : CouponStatus.Available),
                ViolationKind.Contradiction, users.FirstOrDefault()?.OrderId,
                $"coupon {coupon.UserCouponId} is {coupon.Status} and {users.Length} confirmed orders use it");
        }
    }

    private static IEnumerable<(string, int)> GetLines(IEnumerable<OrderLine> lines) => lines.Select(line => (line.ProductId, line.Quantity)).Order();

    private void Check(bool holds, ViolationKind kind, string? order, string what)
    {
        if (!holds) Add(kind, order, what);
    }

    private void Add(ViolationKind kind, string? order, string what) => violations.Add(new(kind, order, what));

    private void Add(InvariantViolation? violation)
    {
        if (violation is not null) violations.Add(violation);
    }
}
