using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Coupons;

internal sealed class CouponService(ISidecar sidecar, DocumentStore documents, IdempotentCommands commands, IdIndex index, DocumentList list)
    : Shop.V1.CouponService.CouponServiceBase
{
    private static readonly IdGroup Index = new("coupons", Shards: 64);

    public override async Task<Shop.V1.IssueCouponResponse> IssueCoupon(Shop.V1.IssueCouponRequest request, ServerCallContext context)
    {
        var check = new RequestCheck()
            .Id("user_id", request.UserId)
            .Must(request.DiscountCase != Shop.V1.IssueCouponRequest.DiscountOneofCase.None, "discount", "amount_off or percent_off must be set.")
            .Time("valid_until", request.ValidUntil, "2030-12-31T23:59:59Z")
            .IdempotencyKey(request.IdempotencyKey);
        if (request.UserCouponId.Length > 0) check.Id("user_coupon_id", request.UserCouponId);
        switch (request.DiscountCase)
        {
            case Shop.V1.IssueCouponRequest.DiscountOneofCase.AmountOff:
                check.Range("amount_off", request.AmountOff, 1, Coupon.AmountMax);
                break;
            case Shop.V1.IssueCouponRequest.DiscountOneofCase.PercentOff:
                check.Range("percent_off.percent", request.PercentOff.Percent, 1, 100)
                    .Range("percent_off.max_amount", request.PercentOff.MaxAmount, 0, Coupon.AmountMax);
                break;
            case Shop.V1.IssueCouponRequest.DiscountOneofCase.None:
                break;
        }
        check.ThrowIfInvalid();

        var id = request.UserCouponId.Length > 0 ? request.UserCouponId : MadeUpId(request.UserId, request.IdempotencyKey, Caller.Of(context));
        await Task.WhenAll(index.AddAsync(Index, id, context.CancellationToken), index.AddAsync(IndexOf(request.UserId), id, context.CancellationToken));
        return await commands.RunAsync<Coupon, Shop.V1.IssueCouponResponse>(Coupon.KeyOf(id), request.IdempotencyKey, request, Caller.Of(context), kept =>
        {
            if (kept is not null) return Rejection.AlreadyExists("coupon", id);
            var coupon = new Coupon(id, request.UserId, request.AmountOff, request.PercentOff?.Percent ?? 0, request.PercentOff?.MaxAmount ?? 0,
                request.ValidUntil!.ToDateTimeOffset(), Holdings.Of(1), []);
            return new(coupon, new() { Coupon = ToWire(coupon) }, null);
        }, context.CancellationToken);
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.GetCouponResponse> GetCoupon(Shop.V1.GetCouponRequest request, ServerCallContext context)
    {
        new RequestCheck().Id("user_coupon_id", request.UserCouponId).ThrowIfInvalid();
        var coupon = (await sidecar.ReadAsync<Coupon>(Coupon.KeyOf(request.UserCouponId), context.CancellationToken)).Value
            ?? throw new RejectedException(Rejection.NotFound("coupon", request.UserCouponId));
        if (!Caller.Of(context).MaySee(coupon.UserId)) throw new RejectedException(Rejection.NotFound("coupon", request.UserCouponId));
        return new() { Coupon = ToWire(coupon) };
    }

    [Allow(Role.Operator, Role.App + "orders")]
    public override async Task<Shop.V1.BatchGetCouponsResponse> BatchGetCoupons(Shop.V1.BatchGetCouponsRequest request, ServerCallContext context)
    {
        new RequestCheck().Ids("user_coupon_ids", request.UserCouponIds).ThrowIfInvalid();
        var found = await documents.ReadAndCacheAsync<Coupon>([.. request.UserCouponIds.Select(Coupon.KeyOf)], context.CancellationToken);
        var response = new Shop.V1.BatchGetCouponsResponse();
        foreach (var (id, coupon) in request.UserCouponIds.Zip(found))
        {
            if (coupon is null) response.MissingUserCouponIds.Add(id);
            else response.Coupons.Add(ToWire(coupon));
        }
        return response;
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.ListCouponsResponse> ListCoupons(Shop.V1.ListCouponsRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var userId = request.UserId.Length == 0 && !caller.IsOperator ? caller.UserId! : request.UserId;
        var check = new RequestCheck().Page(request.PageSize, request.PageToken);
        // Also that of a token, which may be no id of the shop.
        if (userId.Length > 0) check.Id("user_id", userId);
        check.ThrowIfInvalid();
        caller.MustBe("user_id", userId);
        var group = userId.Length > 0 ? IndexOf(userId) : Index;
        var (ids, next) = await index.ReadPageAsync(group, request.PageToken, RequestCheck.GetPageSize(request.PageSize), context.CancellationToken);
        var (coupons, unreadable) = await list.ReadAsync<Coupon>(ids, Coupon.KeyOf, context.CancellationToken);
        return new()
        {
            Coupons = { coupons.Where(coupon => userId.Length == 0 || coupon.UserId == userId).Select(ToWire) },
            // Whose it is cannot be read either.
            UnreadableUserCouponIds = { caller.IsOperator ? unreadable : [] },
            NextPageToken = next,
        };
    }

    private static IdGroup IndexOf(string userId) => new($"coupons-of:{userId}", Shards: 1);

    private static string MadeUpId(string userId, string idempotencyKey, Caller caller) => idempotencyKey.Length == 0
        ? $"cpn-{Guid.CreateVersion7()}"
        : $"cpn-{Fingerprint.Of($"{userId}\n{caller.Scope(idempotencyKey)}")}";

    private static Shop.V1.Coupon ToWire(Coupon coupon)
    {
        var wire = new Shop.V1.Coupon
        {
            UserCouponId = coupon.Id,
            UserId = coupon.UserId,
            ValidUntil = Timestamp.FromDateTimeOffset(coupon.ValidUntil),
            Status = coupon.Holdings switch
            {
                { Available: > 0 } => Shop.V1.CouponStatus.Available,
                { Held: > 0 } => Shop.V1.CouponStatus.Held,
                _ => Shop.V1.CouponStatus.Used,
            },
        };
        if (coupon.Percent > 0) wire.PercentOff = new() { Percent = coupon.Percent, MaxAmount = coupon.MaxAmount };
        else wire.AmountOff = coupon.AmountOff;
        return wire;
    }
}
