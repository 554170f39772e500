using Payments;
using Saga;
using Shop.V1;

var builder = SagaHost.CreateBuilder(args, "payments", grpcPort: 5003, PaymentJsonContext.Default);
builder.ListenHttp("HTTP_PORT", 8083);
builder.AddParticipant<Payments.Account>(Payments.Account.KeyOf);

// Told by the broker.
builder.AddSubscriptions<PaymentHandlers>((heard, payments) => heard
    .On<OrderCreatedEvent>(payments.ChargeAsync, "charge payment")
    .On<OrderConfirmedEvent>(payments.SettleAsync, "settle payment")
    .On<OrderFailedEvent>(payments.RefundAsync, "refund payment"));
var app = builder.Build();

// Asked by clients and by Orders.
app.MapGrpcService<Payments.PaymentService>();
app.MapSaga();

return await app.RunToExitAsync();
