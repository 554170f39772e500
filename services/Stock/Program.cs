using Shop.V1;
using Stock;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "stock", grpcPort: 5002, StockJsonContext.Default);
    builder.ListenHttp("HTTP_PORT", 8082);
    builder.AddParticipant<Stock.Product>(Stock.Product.KeyOf);

    // Events from the broker.
    builder.AddSubscriptions<StockHandlers>((events, stock) => events
        .On<OrderCreatedEvent>(stock.ReserveAsync, "reserve stock", stock.RecoverDeadLetteredAsync)
        .On<OrderConfirmedEvent>(stock.SettleAsync, "settle stock")
        .On<OrderFailedEvent>(stock.ReleaseAsync, "release stock"));
    var app = builder.Build();

    // Calls of clients, and of Orders.
    app.MapGrpcService<Stock.StockService>();
    app.MapSaga();

    return app;
});
