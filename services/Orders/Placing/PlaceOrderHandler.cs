using Google.Protobuf;

namespace Orders;

/// <summary>Places an order: validates, prechecks, tracks the id, stores the PENDING order, and publishes order-created unless it is orchestrated.</summary>
internal sealed class PlaceOrderHandler(
    OrderStore orders, ISidecar sidecar, OpenOrderLog openOrders, PrecheckClient precheck, OpenOrderLimiter openOrderLimiter, SagaOptions options,
    SagaSteps steps, TimeProvider clock)
{
    private const int ItemsMax = 100;

    /// <summary>An open order is closed within about a second, unless a participant is down.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>As many orders are open as this instance takes at once.</summary>
    public bool IsOverLimit => openOrderLimiter.Count >= options.OpenOrdersMax;

    /// <summary>The rejection of an order while <see cref="IsOverLimit"/>.</summary>
    public Rejection OverLimit =>
        Rejection.Exhausted($"{options.OpenOrdersMax} orders are open, the limit of this instance", RetryAfter);

    /// <param name="caller">A user places it for itself; an operator for any user.</param>
    /// <returns>The order, or with a used idempotency key the one that it placed.</returns>
    /// <exception cref="RejectedException">
    /// The request is invalid or for another user, the precheck found that the order would fail, or too many orders are open.
    /// </exception>
    public async Task<Order> PlaceAsync(Shop.V1.PlaceOrderRequest request, Caller caller, SagaPattern pattern, CancellationToken ct)
    {
        using var span = SagaTracing.Start("place order", orderId: null);
        Check(request);
        caller.MustBe("user_id", request.UserId);
        var content = Fingerprint.Of(request.ToByteArray());
        Guid? key = request.IdempotencyKey.Length > 0 ? OrderNumber.Derive(request.UserId, KeyOf(request, caller, pattern)) : null;
        if (await FindPlacedAsync(key, content, request.IdempotencyKey, ct) is { } stored)
        {
            span?.SetOrder(stored.Id);
            return await ReplayAsync(stored, ct);
        }
        var coupon = string.IsNullOrEmpty(request.UserCouponId) ? null : request.UserCouponId;
        if (coupon is not null && !steps.All.Contains(Step.Coupon))
        {
            throw new RejectedException(Rejection.Precondition(($"coupon/{coupon}", new FailureReason("COUPONS_NOT_TAKEN",
                "This shop takes no coupons: Coupons is not among its steps (Saga:Steps)."))));
        }

        using var entry = openOrderLimiter.TryEnter(request.UserId, options.OpenOrdersMax, options.OpenOrdersPerUserMax)
            ?? throw new RejectedException(IsOverLimit ? OverLimit : Rejection.Exhausted(
                $"User '{request.UserId}' has {options.OpenOrdersPerUserMax} open orders, as many as one user may have", RetryAfter));
        var quote = await QuoteAsync(request, caller, ct);
        if (!request.SkipPrecheck && !quote.Problems.IsEmpty)
        {
            // A concurrent call with the same key may have placed the order meanwhile, and what is missing is what that holds.
            return await FindPlacedAsync(key, content, request.IdempotencyKey, ct) is { } placed ? await ReplayAsync(placed, ct)
                : throw new RejectedException(Rejection.Precondition(quote.Problems));
        }

        var at = orders.Now();
        var id = await ChooseIdAsync(key, at.Now, ct);
        span?.SetOrder(id);
        var order = await StoreAsync(new(
            id, request.UserId, OrderStatus.Pending, quote.Items, quote.Amounts, coupon,
            new(request.RecipientName, request.ShippingAddress, request.ShippingPhone), content,
            null, at.Now, [new(at.Now, "order-created", $"Placed for {quote.Amounts.Final:N0} won.", OrderStatus.Pending, at.TraceId)],
            steps.For(coupon, at.Now), pattern), ct);
        return order.Content == content ? order : throw new RejectedException(Rejection.KeyReused(request.IdempotencyKey));
    }

    /// <summary>
    /// Tracks the id, stores the order, publishes order-created, in this order: after the first write a sweep finds the order whatever
    /// crashes.
    /// </summary>
    public async Task<Order> StoreAsync(Order placed, CancellationToken ct)
    {
        Order? tombstone = null;
        while (true)
        {
            await openOrders.AddAsync(placed.Id, ct); // mutant: stored-before-tracked
            var order = await orders.PlaceAsync(placed, tombstone, ct); // mutant: stored-before-tracked
            if (order.Status != OrderStatus.Abandoned) return order;
            // The deadline passed between tracking and storing, and a sweep has given the id up.
            tombstone = order;
        }
    }

    /// <summary>The order that an earlier call has placed. A final one is only read: at its expiry it would be placed a second time.</summary>
    private Task<Order> ReplayAsync(Order stored, CancellationToken ct) =>
        stored.Status == OrderStatus.Pending ? orders.PlaceAsync(stored, null, ct) : Task.FromResult(stored);

    /// <param name="key">Null: the request has no key.</param>
    /// <returns>Null: no order was placed with the key.</returns>
    /// <exception cref="RejectedException">One was, with other content.</exception>
    private async Task<Order?> FindPlacedAsync(Guid? key, string content, string idempotencyKey, CancellationToken ct)
    {
        if (key is null) return null;
        var readKey = sidecar.ReadAsync<PlacedKey>(PlacedKey.KeyOf(key.Value), ct);
        // Earlier versions have placed it under the key itself.
        var readOlder = sidecar.ReadAsync<Order>(Order.KeyOf($"{key}"), ct);
        await Task.WhenAll(readKey, readOlder);
        var read = (await readKey).Value is { } placed ? await sidecar.ReadAsync<Order>(Order.KeyOf(placed.OrderId), ct) : await readOlder;
        if (read.Value is not { Status: not OrderStatus.Abandoned } stored) return null;
        return stored.Content == content ? stored : throw new RejectedException(Rejection.KeyReused(idempotencyKey));
    }

    /// <summary>The id of an order that was not found: with a key that of an earlier call, which may be about to place it, so that both place one.</summary>
    private async Task<string> ChooseIdAsync(Guid? key, DateTimeOffset now, CancellationToken ct)
    {
        var another = $"{Guid.CreateVersion7(now)}";
        if (key is null) return another;
        while (true)
        {
            var read = await sidecar.ReadAsync<PlacedKey>(PlacedKey.KeyOf(key.Value), ct);
            if (read.Value is { } earlier && !earlier.IsOver(now)) return earlier.OrderId;
            if (await sidecar.TrySaveAsync(read, new(another, now), PlacedKey.TimeToLive, ct)) return another;
        }
    }

    /// <summary>A key of PlaceOrder is another one for PayOrder. No key has a line break.</summary>
    private static string KeyOf(Shop.V1.PlaceOrderRequest request, Caller caller, SagaPattern pattern) => pattern switch
    {
        SagaPattern.Choreography => caller.Scope(request.IdempotencyKey),
        SagaPattern.Orchestration => $"PayOrder\n{caller.Scope(request.IdempotencyKey)}",
    };

    private static void Check(Shop.V1.PlaceOrderRequest request)
    {
        var check = new RequestCheck()
            .Id("user_id", request.UserId)
            .Range("items", request.Items.Count, 1, ItemsMax)
            .Text("recipient_name", request.RecipientName, 0, 100)
            .Text("shipping_address", request.ShippingAddress, 0, 500)
            .Text("shipping_phone", request.ShippingPhone, 0, 32)
            .IdempotencyKey(request.IdempotencyKey);
        if (!string.IsNullOrEmpty(request.UserCouponId)) check.Id("user_coupon_id", request.UserCouponId);
        HashSet<string> seen = [];
        for (var at = 0; at < Math.Min(request.Items.Count, ItemsMax); at++)
        {
            check
                .Id($"items[{at}].product_id", request.Items[at].ProductId)
                .Range($"items[{at}].quantity", request.Items[at].Quantity, 1, 1000)
                .Must(seen.Add(request.Items[at].ProductId), $"items[{at}].product_id",
                    $"'{request.Items[at].ProductId}' is in the order twice; add up the quantities.");
        }
        check.ThrowIfInvalid();
    }

    private async Task<Quote> QuoteAsync(Shop.V1.PlaceOrderRequest request, Caller caller, CancellationToken ct)
    {
        var productLookUp = Task.WhenAll(request.Items.Select(item => precheck.ProductAsync(item.ProductId, ct)));
        var accountLookUp = request.SkipPrecheck ? null : precheck.AccountAsync(request.UserId, ct);
        var couponLookUp = string.IsNullOrEmpty(request.UserCouponId) ? null : precheck.CouponAsync(request.UserCouponId, ct);

        var products = await productLookUp;
        var account = accountLookUp is null ? null : await accountLookUp;
        var coupon = couponLookUp is null ? null : await couponLookUp;

        foreach (var (item, product) in request.Items.Zip(products))
        {
            if (product is null) throw new RejectedException(Rejection.NotFound("product", item.ProductId));
        }
        if (accountLookUp is not null && account is null) throw new RejectedException(Rejection.NotFound("account", request.UserId));
        // Also without a precheck: a coupon that is issued after the quote would be used for no discount. Whether another user has it, a user is not told.
        if (couponLookUp is not null && (coupon is null || !caller.MaySee(coupon.UserId)))
        {
            throw new RejectedException(Rejection.NotFound("coupon", request.UserCouponId));
        }
        return PlacingDecisions.GetQuote(request, products.ToDictionary(product => product!.ProductId, product => product!), account, coupon, clock.GetUtcNow());
    }
}
