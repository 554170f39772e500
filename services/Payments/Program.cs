using Payments;
using Saga;
using Shop.V1;

var builder = SagaHost.CreateBuilder(args, "payments", grpcPort: 5003, PaymentStates.Default);
builder.AddParticipant<Payments.Account>(Payments.Account.KeyOf);
builder.Services.AddSingleton<PaymentHandlers>();
var app = builder.Build();

// Asked by clients and by Orders.
app.MapGrpcService<Payments.PaymentService>();

// Told by the broker.
var handlers = app.Services.GetRequiredService<PaymentHandlers>();
app.MapSubscriptions()
    .On<OrderCreatedEvent>(handlers.ChargeAsync)
    .On<OrderConfirmedEvent>(handlers.SettleAsync)
    .On<OrderFailedEvent>(handlers.RefundAsync);

return await app.RunToExitAsync();
