using System.Diagnostics;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>One order with a product, an account and a coupon of its own, and the expected final state of all four.</summary>
/// <param name="Name">Such as "out of stock".</param>
/// <param name="Quantity">Pieces ordered. There are 10, at 10,000 won each.</param>
/// <param name="Balance">Won in the account before the order.</param>
/// <param name="CouponValid">False: the coupon, 3,000 won off, has expired.</param>
/// <param name="Status">Expected status of the order.</param>
/// <param name="Reason">Expected reason. Empty: none.</param>
/// <param name="Stock">Expected state of the stock step.</param>
/// <param name="Payment">Expected state of the payment step.</param>
/// <param name="Coupon">Expected state of the coupon step.</param>
/// <param name="Pattern">Choreography: PlaceOrder. Orchestration: PayOrder.</param>
public sealed record Scenario(
    string Name, int Quantity, long Balance, bool CouponValid, OrderStatus Status, string Reason, StepState Stock, StepState Payment, StepState Coupon,
    SagaPattern Pattern = SagaPattern.Choreography)
{
    private const long Price = 10_000, InitialStock = 10, Discount = 3_000;

    private static readonly TimeSpan WatchTimeout = TimeSpan.FromSeconds(90);

    /// <summary>Maximum time for the participants to settle or release after the order is closed.</summary>
    private static readonly TimeSpan SettleTimeout = TimeSpan.FromSeconds(20);

    /// <summary>
    /// Success, out of stock, balance too low, coupon refused: first as a choreography, in which the steps run in parallel, then by orchestration, in which
    /// those behind the one that refuses never begin.
    /// </summary>
    public static readonly IReadOnlyList<Scenario> All =
    [
        new("success", 2, 100_000, true, OrderStatus.Confirmed, "", StepState.Done, StepState.Done, StepState.Done),
        new("out of stock", 11, 1_000_000, true, OrderStatus.Failed, "OUT_OF_STOCK", StepState.Refused, StepState.Undone, StepState.Undone),
        new("balance too low", 2, 5_000, true, OrderStatus.Failed, "BALANCE_TOO_LOW", StepState.Undone, StepState.Refused, StepState.Undone),
        new("coupon refused", 2, 100_000, false, OrderStatus.Failed, "COUPON_EXPIRED", StepState.Undone, StepState.Undone, StepState.Refused),
        new("orchestrated success", 2, 100_000, true, OrderStatus.Confirmed, "", StepState.Done, StepState.Done, StepState.Done, SagaPattern.Orchestration),
        new("orchestrated out of stock", 11, 1_000_000, true, OrderStatus.Failed, "OUT_OF_STOCK", StepState.Refused, StepState.Skipped, StepState.Skipped,
            SagaPattern.Orchestration),
        new("orchestrated balance too low", 2, 5_000, true, OrderStatus.Failed, "BALANCE_TOO_LOW", StepState.Undone, StepState.Refused, StepState.Skipped,
            SagaPattern.Orchestration),
        new("orchestrated coupon refused", 2, 100_000, false, OrderStatus.Failed, "COUPON_EXPIRED", StepState.Undone, StepState.Undone, StepState.Refused,
            SagaPattern.Orchestration),
    ];

    /// <summary>Creates product, account and coupon, places the order and waits until it is closed.</summary>
    /// <param name="run">Part of all ids: unique for each run.</param>
    /// <exception cref="RpcException">A call failed, the order was open after 90 s, or <paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<ScenarioResult> PlayAsync(ShopClients shop, string run, CancellationToken cancellationToken)
    {
        var suffix = $"{Name.Replace(' ', '-')}-{run}";
        string product = $"product-{suffix}", user = $"user-{suffix}", coupon = $"coupon-{suffix}";
        await shop.Stock.PutProductAsync(
            new() { ProductId = product, Name = "Demo product", Price = Price, InitialStock = InitialStock }, cancellationToken: cancellationToken);
        await shop.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = Balance }, cancellationToken: cancellationToken);
        await shop.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = coupon,
            UserId = user,
            AmountOff = Discount,
            ValidUntil = Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddDays(CouponValid ? 1 : -1)),
        }, cancellationToken: cancellationToken);

        var (answer, orderId) = await PlaceAsync(shop, new()
        {
            UserId = user,
            Items = { new OrderItem { ProductId = product, Quantity = Quantity } },
            UserCouponId = coupon,
            RecipientName = "Demo",
            SkipPrecheck = true,
        }, cancellationToken);

        List<TimelineEntry> timeline = [];
        var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + WatchTimeout;
        using (var watch = shop.Orders.WatchOrder(new() { Order = orderId }, deadline: deadline, cancellationToken: cancellationToken))
        {
            await foreach (var change in watch.ResponseStream.ReadAllAsync(cancellationToken)) timeline.Add(change.Entry);
        }
        var order = (await shop.Orders.GetOrderAsync(new() { Order = orderId }, cancellationToken: cancellationToken)).Order;
        var (stock, account, used) = await ReadSettledAsync(shop, product, user, coupon, cancellationToken);

        var sold = Status == OrderStatus.Confirmed ? Quantity : 0;
        var spent = Status == OrderStatus.Confirmed ? Quantity * Price - Discount : 0;
        return new(Name, order.OrderNumber,
        [
            answer,
            new("order in the end", ToText(Status), ToText(order.Status)),
            new("reason", Reason, order.Reason),
            CompareStep("STOCK", Stock, order.Steps[0]),
            CompareStep("PAYMENT", Payment, order.Steps[1]),
            CompareStep("COUPON", Coupon, order.Steps[2]),
            new($"stock (was {InitialStock})", FormatPieces(InitialStock - sold, 0, sold), FormatPieces(stock.Available, stock.Held, stock.Sold)),
            new($"balance (was {Balance})", FormatWon(Balance - spent, 0, spent), FormatWon(account.Balance, account.Held, account.Spent)),
            new("coupon (was AVAILABLE)", Status == OrderStatus.Confirmed ? "USED" : "AVAILABLE", used.Status.ToString().ToUpperInvariant()),
        ], timeline);
    }

    private async Task<(Finding Answer, string OrderId)> PlaceAsync(ShopClients shop, PlaceOrderRequest request, CancellationToken cancellationToken)
    {
        if (Pattern == SagaPattern.Orchestration)
        {
            var paid = await shop.Orders.PayOrderAsync(new() { Order = request }, cancellationToken: cancellationToken);
            return (new("answer to PayOrder", Status == OrderStatus.Confirmed ? "PAID" : "REFUSED", paid.Result.ToString().ToUpperInvariant()), paid.Order.OrderId);
        }
        var placed = await shop.Orders.PlaceOrderAsync(request, cancellationToken: cancellationToken);
        return (new("answer to PlaceOrder", "PENDING", ToText(placed.Order.Status)), placed.Order.OrderId);
    }

    /// <summary>Reads product, account and coupon once nothing of them is held, or after <see cref="SettleTimeout"/>.</summary>
    private static async Task<(Product Stock, Account Account, Coupon Coupon)> ReadSettledAsync(
        ShopClients shop, string product, string user, string coupon, CancellationToken cancellationToken)
    {
        for (var begun = Stopwatch.GetTimestamp(); ; await Task.Delay(20, cancellationToken))
        {
            var stock = (await shop.Stock.GetProductAsync(new() { ProductId = product }, cancellationToken: cancellationToken)).Product;
            var account = (await shop.Payments.GetAccountAsync(new() { UserId = user }, cancellationToken: cancellationToken)).Account;
            var used = (await shop.Coupons.GetCouponAsync(new() { UserCouponId = coupon }, cancellationToken: cancellationToken)).Coupon;
            var isSettled = stock.Held == 0 && account.Held == 0 && used.Status != CouponStatus.Held;
            if (isSettled || Stopwatch.GetElapsedTime(begun) > SettleTimeout) return (stock, account, used);
        }
    }

    // In a choreography the steps run in parallel: order-failed may overtake a step that has not begun, which is then skipped.
    private Finding CompareStep(string step, StepState expected, StepProgress seen) => new($"step {step}", ToText(expected), ToText(seen.State),
        expected == StepState.Undone && Pattern == SagaPattern.Choreography ? ToText(StepState.Skipped) : null);

    private static string ToText(OrderStatus status) => status.ToString().ToUpperInvariant();

    private static string ToText(StepState state) => state switch
    {
        StepState.Done => "done",
        StepState.Refused => "refused",
        StepState.Undone => "done and undone",
        StepState.Skipped => "never done",
        StepState.Waiting or StepState.Unspecified => "waiting",
    };

    private static string FormatPieces(long available, long held, long sold) => $"{available} available, {held} held, {sold} sold";

    private static string FormatWon(long balance, long held, long spent) => $"{balance} won, {held} held, {spent} spent";
}
