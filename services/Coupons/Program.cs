using Coupons;
using Shop.V1;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "coupons", grpcPort: 5004, CouponJsonContext.Default);
    builder.ListenHttp("HTTP_PORT", 8084);
    builder.AddParticipant<Coupons.Coupon>(Coupons.Coupon.KeyOf);

    // Events from the broker.
    builder.AddSubscriptions<CouponHandlers>((events, coupons) => events
        .On<OrderCreatedEvent>(coupons.UseAsync, "use coupon", coupons.RecoverDeadLetteredAsync)
        .On<OrderConfirmedEvent>(coupons.SettleAsync, "settle coupon")
        .On<OrderFailedEvent>(coupons.RestoreAsync, "restore coupon"));
    var app = builder.Build();

    // Calls of clients, and of Orders.
    app.MapGrpcService<Coupons.CouponService>();
    app.MapSaga();

    return app;
});
