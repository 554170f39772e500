using Coupons;
using Saga;
using Shop.V1;

var builder = SagaHost.CreateBuilder(args, "coupons", grpcPort: 5004, CouponStates.Default);
builder.AddParticipant<Coupons.Coupon>(Coupons.Coupon.KeyOf);
builder.Services.AddSingleton<CouponHandlers>();
var app = builder.Build();

// Asked by clients and by Orders.
app.MapGrpcService<Coupons.CouponService>();

// Told by the broker.
var handlers = app.Services.GetRequiredService<CouponHandlers>();
app.MapSubscriptions()
    .On<OrderCreatedEvent>(handlers.UseAsync)
    .On<OrderConfirmedEvent>(handlers.SettleAsync)
    .On<OrderFailedEvent>(handlers.RestoreAsync);

return await app.RunToExitAsync();
