using System.Collections.Immutable;

namespace Orders;

/// <summary>The price of an order, and the problems that would fail it now.</summary>
/// <param name="Problems">Why the saga would fail if nothing changed. The subject has the form product/p-1.</param>
internal sealed record Quote(ImmutableArray<Item> Items, Amounts Amounts, ImmutableArray<(string Subject, FailureReason Reason)> Problems);

/// <summary>The decisions of placing an order: what it costs, whether it is new, and what its participants are told. Pure.</summary>
/// <remarks>A line with "mutant: name" is broken on purpose by the mutation test of that name (tests/README.md).</remarks>
internal static class PlacingDecisions
{
    /// <summary>Prices an order.</summary>
    /// <param name="account">Null: there is none, or the precheck is skipped.</param>
    /// <param name="coupon">Null: there is none, or the order has none.</param>
    public static Quote GetQuote(
        Shop.V1.PlaceOrderRequest request, IReadOnlyDictionary<string, Shop.V1.Product> products, Shop.V1.Account? account, Shop.V1.Coupon? coupon, DateTimeOffset now)
    {
        var items = request.Items.Select(item => new Item(item.ProductId, item.Quantity, products[item.ProductId].Price)).ToImmutableArray();
        var total = items.Sum(item => item.Quantity * item.UnitPrice);
        var discount = coupon is null ? 0 : GetDiscount(coupon, total);
        var amounts = new Amounts(total, discount, total - discount);

        List<(string, FailureReason)> problems = [];
        foreach (var item in items)
        {
            var available = products[item.ProductId].Available;
            if (available < item.Quantity)
            {
                problems.Add(($"product/{item.ProductId}", new("OUT_OF_STOCK",
                    $"{item.Quantity} of product '{item.ProductId}' were asked for and {available} are available.")));
            }
        }
        if (account is not null && account.Balance < amounts.Final)
        {
            problems.Add(($"account/{account.UserId}", new("BALANCE_TOO_LOW",
                $"The order costs {amounts.Final:N0} won and user '{account.UserId}' has {account.Balance:N0}.")));
        }
        if (coupon is not null && CheckCoupon(coupon, request.UserId, now) is { } reason) problems.Add(($"coupon/{coupon.UserCouponId}", reason));
        return new(items, amounts, [.. problems]);
    }

    /// <summary>Places an order, once.</summary>
    /// <param name="stored">The document under its id. One placed by another request stays, and nothing is published.</param>
    /// <param name="seenTombstone">The tombstone that the caller read before it tracked the id again. Any other tombstone is younger: a sweep has
    /// given the id up since, and would not find an order placed over it. Null: the caller has seen none.</param>
    public static Decision<Order> Place(Order? stored, Order placed, Order? seenTombstone) => stored switch
    {
        null => new(placed, CreatedEvent(placed)),
        { Status: OrderStatus.Abandoned } => stored.Placed == seenTombstone?.Placed ? new(placed, CreatedEvent(placed)) : new(stored),
        { Status: OrderStatus.Pending } when stored.Content == placed.Content => new(stored, CreatedEvent(stored)),
        { Status: OrderStatus.Pending or OrderStatus.Confirmed or OrderStatus.Failed } => new(stored),
    };

    /// <summary>What the participants of a placed order act on. None of an orchestrated one, which calls them.</summary>
    public static OutgoingEvent[] CreatedEvent(Order order) =>
        order.Pattern == SagaPattern.Orchestration ? [] : [new(order.Id, ToCreatedEvent(order))]; // mutant: orchestrated-order-published

    public static Shop.V1.OrderCreatedEvent ToCreatedEvent(Order order)
    {
        var created = new Shop.V1.OrderCreatedEvent
        {
            OrderId = order.Id,
            UserId = order.UserId,
            Items = { order.Items.Select(OrderDecisions.ToLine) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
            Steps = { order.Steps.Select(step => step.Step.Name) },
        };
        if (order.UserCouponId is { } coupon) created.UserCouponId = coupon;
        return created;
    }

    private static long GetDiscount(Shop.V1.Coupon coupon, long total) => coupon.DiscountCase switch
    {
        Shop.V1.Coupon.DiscountOneofCase.AmountOff => Math.Min(coupon.AmountOff, total),
        Shop.V1.Coupon.DiscountOneofCase.PercentOff => coupon.PercentOff switch
        {
            { MaxAmount: 0, Percent: var percent } => total * percent / 100,
            { MaxAmount: var max, Percent: var percent } => Math.Min(total * percent / 100, max),
        },
        Shop.V1.Coupon.DiscountOneofCase.None => 0,
    };

    private static FailureReason? CheckCoupon(Shop.V1.Coupon coupon, string userId, DateTimeOffset now) => coupon switch
    {
        _ when coupon.UserId != userId => new("COUPON_OF_ANOTHER_USER", $"Coupon '{coupon.UserCouponId}' was not issued to user '{userId}'."),
        _ when coupon.ValidUntil.ToDateTimeOffset() < now =>
            new("COUPON_EXPIRED", $"Coupon '{coupon.UserCouponId}' was valid until {coupon.ValidUntil.ToDateTimeOffset():u}."),
        { Status: not Shop.V1.CouponStatus.Available } => new("COUPON_ALREADY_USED", $"Coupon '{coupon.UserCouponId}' is used, or held by another order."),
        _ => null,
    };
}
