using Saga;
using Shop.V1;
using Stock;

var builder = SagaHost.CreateBuilder(args, "stock", grpcPort: 5002, StockStates.Default);
builder.AddParticipant<Stock.Product>(Stock.Product.KeyOf);
builder.Services.AddSingleton<StockHandlers>();
var app = builder.Build();

// Asked by clients and by Orders.
app.MapGrpcService<Stock.StockService>();

// Told by the broker.
var handlers = app.Services.GetRequiredService<StockHandlers>();
app.MapSubscriptions()
    .On<OrderCreatedEvent>(handlers.ReserveAsync)
    .On<OrderConfirmedEvent>(handlers.SettleAsync)
    .On<OrderFailedEvent>(handlers.ReleaseAsync);

return await app.RunToExitAsync();
