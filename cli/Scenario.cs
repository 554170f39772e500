using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>One line of what a scenario promises.</summary>
/// <param name="Also">What would be right as well. Null: nothing.</param>
internal sealed record Finding(string What, string Expected, string Seen, string? Also = null)
{
    public bool Holds => Seen == Expected || Seen == Also;
}

/// <summary>How a scenario went.</summary>
/// <param name="Timeline">The order's events, oldest first.</param>
internal sealed record ScenarioResult(string Name, string OrderNumber, IReadOnlyList<Finding> Findings, IReadOnlyList<TimelineEntry> Timeline)
{
    public bool Holds => Findings.All(finding => finding.Holds);
}

/// <summary>One order on a product, an account and a coupon of its own, and what must be true of all four in the end.</summary>
/// <param name="Quantity">Of a product of which there are ten, at 10,000 won.</param>
/// <param name="Balance">Won before the order.</param>
/// <param name="CouponValid">False: the coupon, 3,000 won off, has expired.</param>
internal sealed record Scenario(
    string Name, int Quantity, long Balance, bool CouponValid, OrderStatus Status, string Reason, StepState Stock, StepState Payment, StepState Coupon)
{
    private const long Price = 10_000, InitialStock = 10, Discount = 3_000;

    /// <summary>How long the participants may take to come to rest after the order did.</summary>
    private static readonly TimeSpan RestMax = TimeSpan.FromSeconds(20);

    public static readonly IReadOnlyList<Scenario> All =
    [
        new("success", 2, 100_000, true, OrderStatus.Confirmed, "", StepState.Done, StepState.Done, StepState.Done),
        new("out of stock", 11, 1_000_000, true, OrderStatus.Failed, "OUT_OF_STOCK", StepState.Refused, StepState.Undone, StepState.Undone),
        new("balance too low", 2, 5_000, true, OrderStatus.Failed, "BALANCE_TOO_LOW", StepState.Undone, StepState.Refused, StepState.Undone),
        new("coupon refused", 2, 100_000, false, OrderStatus.Failed, "COUPON_EXPIRED", StepState.Undone, StepState.Undone, StepState.Refused),
    ];

    /// <param name="run">Tells the things of this run from those of others.</param>
    public async Task<ScenarioResult> PlayAsync(ShopClients shop, string run, CancellationToken stop)
    {
        var suffix = $"{Name.Replace(' ', '-')}-{run}";
        string product = $"product-{suffix}", user = $"user-{suffix}", coupon = $"coupon-{suffix}";
        await shop.Stock.PutProductAsync(
            new() { ProductId = product, Name = "Demo product", Price = Price, InitialStock = InitialStock }, cancellationToken: stop);
        await shop.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = Balance }, cancellationToken: stop);
        await shop.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = coupon,
            UserId = user,
            AmountOff = Discount,
            ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(CouponValid ? 1 : -1)),
        }, cancellationToken: stop);

        var placed = await shop.Orders.PlaceOrderAsync(new()
        {
            UserId = user,
            Items = { new OrderItem { ProductId = product, Quantity = Quantity } },
            UserCouponId = coupon,
            RecipientName = "Demo",
            SkipPrecheck = true,
        }, cancellationToken: stop);

        List<TimelineEntry> timeline = [];
        using (var watch = shop.Orders.WatchOrder(new() { Order = placed.Order.OrderId }, deadline: DateTime.UtcNow.AddSeconds(90), cancellationToken: stop))
        {
            await foreach (var change in watch.ResponseStream.ReadAllAsync(stop)) timeline.Add(change.Entry);
        }
        var order = (await shop.Orders.GetOrderAsync(new() { Order = placed.Order.OrderId }, cancellationToken: stop)).Order;
        var (stock, account, used) = await AtRestAsync(shop, product, user, coupon, stop);

        var sold = Status == OrderStatus.Confirmed ? Quantity : 0;
        var spent = Status == OrderStatus.Confirmed ? Quantity * Price - Discount : 0;
        return new(Name, order.OrderNumber,
        [
            new("answer to PlaceOrder", "PENDING", Of(placed.Order.Status)),
            new("order in the end", Of(Status), Of(order.Status)),
            new("reason", Reason, order.Reason),
            StepOf("STOCK", Stock, order.Steps[0]),
            StepOf("PAYMENT", Payment, order.Steps[1]),
            StepOf("COUPON", Coupon, order.Steps[2]),
            new($"stock (was {InitialStock})", Pieces(InitialStock - sold, 0, sold), Pieces(stock.Available, stock.Held, stock.Sold)),
            new($"balance (was {Balance})", Won(Balance - spent, 0, spent), Won(account.Balance, account.Held, account.Spent)),
            new("coupon (was AVAILABLE)", Status == OrderStatus.Confirmed ? "USED" : "AVAILABLE", used.Status.ToString().ToUpperInvariant()),
        ], timeline);
    }

    /// <summary>What is held becomes final, or is given back, shortly after the order's last change.</summary>
    private static async Task<(Product Stock, Account Account, Coupon Coupon)> AtRestAsync(
        ShopClients shop, string product, string user, string coupon, CancellationToken stop)
    {
        for (var until = DateTime.UtcNow + RestMax; ; await Task.Delay(20, stop))
        {
            var stock = (await shop.Stock.GetProductAsync(new() { ProductId = product }, cancellationToken: stop)).Product;
            var account = (await shop.Payments.GetAccountAsync(new() { UserId = user }, cancellationToken: stop)).Account;
            var used = (await shop.Coupons.GetCouponAsync(new() { UserCouponId = coupon }, cancellationToken: stop)).Coupon;
            if (stock.Held == 0 && account.Held == 0 && used.Status != CouponStatus.Held || DateTime.UtcNow > until) return (stock, account, used);
        }
    }

    // The three run in parallel: the news of the failure may overtake a step that has not begun, which then never does.
    private static Finding StepOf(string step, StepState expected, StepProgress seen) =>
        new($"step {step}", Of(expected), Of(seen.State), expected == StepState.Undone ? Of(StepState.Skipped) : null);

    private static string Of(OrderStatus status) => status.ToString().ToUpperInvariant();

    private static string Of(StepState state) => state switch
    {
        StepState.Done => "done",
        StepState.Refused => "refused",
        StepState.Undone => "done and undone",
        StepState.Skipped => "never done (overtaken)",
        StepState.Waiting or StepState.Unspecified => "not heard of",
    };

    private static string Pieces(long available, long held, long sold) => $"{available} available, {held} held, {sold} sold";

    private static string Won(long balance, long held, long spent) => $"{balance} won, {held} held, {spent} spent";
}
