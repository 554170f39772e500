using Google.Protobuf;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>From a client's request to a stored PENDING order.</summary>
internal sealed class PlaceOrderHandler(OrderStore orders, ISidecar sidecar, OpenOrderLog openOrders, OrderIdPool orderIds, PrecheckClient precheck, TimeProvider clock)
{
    /// <exception cref="RejectedException">The request is wrong, or the order could not succeed now.</exception>
    public async Task<Order> PlaceAsync(Wire.PlaceOrderRequest request, CancellationToken ct)
    {
        using var step = SagaTracing.Start("place order", orderId: null);
        Check(request);
        var content = Fingerprint.Of(request.ToByteArray());
        Guid? derived = request.IdempotencyKey.Length > 0 ? OrderNumber.Derive(request.UserId, request.IdempotencyKey) : null;
        if (derived is { } known)
        {
            step?.SetOrder(known.ToString());
            if ((await sidecar.ReadAsync<Order>(Order.KeyOf(known.ToString()), ct)).Value is { Status: not OrderStatus.Abandoned } kept)
            {
                if (kept.Content != content) throw new RejectedException(Rejection.KeyReused(request.IdempotencyKey));
                return await orders.PlaceAsync(kept, null, ct);
            }
        }

        var quote = await QuoteAsync(request, ct);
        if (!request.SkipPrecheck && !quote.Doubts.IsEmpty) throw new RejectedException(Rejection.Precondition(quote.Doubts));

        var id = derived ?? await orderIds.TakeAsync();
        step?.SetOrder(id.ToString());
        var at = orders.Now();
        var coupon = string.IsNullOrEmpty(request.UserCouponId) ? null : request.UserCouponId;
        var order = await StoreAsync(new(
            id.ToString(), request.UserId, OrderStatus.Pending, quote.Items, quote.Amounts, coupon,
            new(request.RecipientName, request.ShippingAddress, request.ShippingPhone), content,
            StepRecord.Waiting, StepRecord.Waiting, coupon is null ? StepRecord.NotRequired(at.Now) : StepRecord.Waiting, null, at.Now,
            [new(at.Now, "order-created", $"Placed for {quote.Amounts.Final:N0} won.", OrderStatus.Pending, at.TraceId)]), isTracked: derived is null, ct);
        return order.Content == content ? order : throw new RejectedException(Rejection.KeyReused(request.IdempotencyKey));
    }

    /// <summary>From here on the order is looked after, whatever dies: first its id is noted, then it is stored, then it is said.</summary>
    /// <param name="isTracked">Its id is in the open log already.</param>
    public async Task<Order> StoreAsync(Order placed, bool isTracked, CancellationToken ct)
    {
        Order? seenAbandoned = null;
        for (var noted = isTracked; ; noted = false)
        {
            if (!noted) await openOrders.AddAsync(placed.Id, ct);
            var order = await orders.PlaceAsync(placed, seenAbandoned, ct);
            if (order.Status != OrderStatus.Abandoned) return order;
            // So much time had passed since the id was noted that the sweep has given it up.
            seenAbandoned = order;
        }
    }

    private static void Check(Wire.PlaceOrderRequest request)
    {
        var check = new RequestCheck()
            .Id("user_id", request.UserId)
            .Range("items", request.Items.Count, 1, 100)
            .Text("recipient_name", request.RecipientName, 0, 100)
            .Text("shipping_address", request.ShippingAddress, 0, 500)
            .Text("shipping_phone", request.ShippingPhone, 0, 32)
            .IdempotencyKey(request.IdempotencyKey);
        if (!string.IsNullOrEmpty(request.UserCouponId)) check.Id("user_coupon_id", request.UserCouponId);
        HashSet<string> seen = [];
        for (var at = 0; at < request.Items.Count; at++)
        {
            check
                .Id($"items[{at}].product_id", request.Items[at].ProductId)
                .Range($"items[{at}].quantity", request.Items[at].Quantity, 1, 1000)
                .Must(seen.Add(request.Items[at].ProductId), $"items[{at}].product_id",
                    $"'{request.Items[at].ProductId}' is in the order twice; add up the quantities.");
        }
        check.ThrowIfInvalid();
    }

    private async Task<Quote> QuoteAsync(Wire.PlaceOrderRequest request, CancellationToken ct)
    {
        var productsAsked = Task.WhenAll(request.Items.Select(item => precheck.ProductAsync(item.ProductId, ct)));
        var accountAsked = request.SkipPrecheck ? null : precheck.AccountAsync(request.UserId, ct);
        var couponAsked = string.IsNullOrEmpty(request.UserCouponId) ? null : precheck.CouponAsync(request.UserCouponId, ct);

        var products = await productsAsked;
        var account = accountAsked is null ? null : await accountAsked;
        var coupon = couponAsked is null ? null : await couponAsked;

        foreach (var (item, product) in request.Items.Zip(products))
        {
            if (product is null) throw new RejectedException(Rejection.NotFound("product", item.ProductId));
        }
        if (accountAsked is not null && account is null) throw new RejectedException(Rejection.NotFound("account", request.UserId));
        if (couponAsked is not null && coupon is null && !request.SkipPrecheck) throw new RejectedException(Rejection.NotFound("coupon", request.UserCouponId));
        return Quote.For(request, products.ToDictionary(product => product!.ProductId, product => product!), account, coupon, clock.GetUtcNow());
    }
}
