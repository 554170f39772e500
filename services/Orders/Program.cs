using System.Text.Json.Serialization;
using Orders;
using Shop.V1;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "orders", grpcPort: 5001, OrderStateJsonContext.Default);
    builder.ListenHttp("HTTP_PORT", 8080);
    builder.AddOpenOrderLog();

    builder.Services.AddOpenApi("v1", OrderOpenApi.Configure);
    // The answers have numbers as numbers, and are described so.
    builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict);

    builder.Services.AddSingleton(SagaStepsSetting.Read(new(builder.Configuration)));
    builder.Services.AddSingleton(services => SagaTimeouts.Of(services.GetRequiredService<SagaOptions>()));
    builder.Services.AddSingleton<OrderHistory>();
    builder.Services.AddSingleton<OrderListing>();
    builder.Services.AddSingleton<OrderSweep>();
    builder.Services.AddSingleton<ISweptEntries>(services => services.GetRequiredService<OrderSweep>());
    builder.AddSweep<OrderSweep>((sweep, ct) => sweep.RunAsync(ct));

    builder.Services.AddSingleton<OrderStore>();
    builder.Services.AddSingleton<OrderQueries>();
    builder.Services.AddSingleton<OpenOrderLimiter>();
    builder.Services.AddSingleton<OrderObserver>();
    builder.Services.AddHostedService(services => services.GetRequiredService<OrderObserver>());
    builder.Services.AddSingleton<OrderChanges>();
    builder.Services.AddSingleton<OrderMetrics>();
    builder.Services.AddSingleton<PrecheckClient>();
    builder.Services.AddSingleton<PlaceOrderHandler>();
    builder.Services.AddSingleton<IParticipantCalls, ParticipantClient>();
    builder.Services.AddSingleton<Orchestrator>();
    builder.Services.AddSingleton<PayOrderHandler>();
    builder.Services.AddSingleton(services => new Shop.V1.StockService.StockServiceClient(services.GetRequiredService<SidecarChannel>().To("stock")));
    builder.Services.AddSingleton(services => new PaymentService.PaymentServiceClient(services.GetRequiredService<SidecarChannel>().To("payments")));
    builder.Services.AddSingleton(services => new CouponService.CouponServiceClient(services.GetRequiredService<SidecarChannel>().To("coupons")));

    // Events from the broker.
    builder.AddSubscriptions<OrderHandlers>((events, orders) => events
        .On<StockReservedEvent>(orders.OnAsync)
        .On<StockReservationFailedEvent>(orders.OnAsync)
        .On<PaymentCompletedEvent>(orders.OnAsync)
        .On<PaymentFailedEvent>(orders.OnAsync)
        .On<CouponUsedEvent>(orders.OnAsync)
        .On<CouponUsageFailedEvent>(orders.OnAsync)
        .On<StockReleasedEvent>(orders.OnAsync)
        .On<PaymentRefundedEvent>(orders.OnAsync)
        .On<CouponRestoredEvent>(orders.OnAsync)
        .OnSteps(orders));
    var app = builder.Build();

    var placing = app.Services.GetRequiredService<PlaceOrderHandler>();
    app.UseLoadShedding(
        ["/shop.v1.OrderService/PlaceOrder", "/shop.v1.OrderService/PayOrder"], () => placing.IsOverLimit, placing.OverLimit);

    // Calls of clients.
    app.MapGrpcService<OrderGrpcService>();
    app.MapOrderHttp();
    app.MapOpenApi().WithHead().AllowAnonymous();
    app.MapSaga();

    // Created at the start, so that it counts from then on.
    app.Services.GetRequiredService<OrderMetrics>();

    return app;
});
