using OpenTelemetry.Instrumentation.AspNetCore;
using Shop.V1;
using ShopConsole;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "console", grpcPort: 5005);
    builder.ListenHttp("HTTP_PORT", 8085);

    // The page reads and streams all the time: only what changes something is traced.
    builder.Services.Configure<AspNetCoreTraceInstrumentationOptions>(server =>
    {
        var traced = server.Filter;
        server.Filter = http => !HttpMethods.IsGet(http.Request.Method) && traced?.Invoke(http) != false;
    });

    builder.AddSignIn();
    builder.Services.AddSingleton(services => new OrderService.OrderServiceClient(services.GetRequiredService<ShopChannel>().To("orders")));
    builder.Services.AddSingleton(services => new StockService.StockServiceClient(services.GetRequiredService<ShopChannel>().To("stock")));
    builder.Services.AddSingleton(services => new PaymentService.PaymentServiceClient(services.GetRequiredService<ShopChannel>().To("payments")));
    builder.Services.AddSingleton(services => new CouponService.CouponServiceClient(services.GetRequiredService<ShopChannel>().To("coupons")));

    builder.Services.AddSingleton<OrderFeed>();
    builder.Services.AddHostedService(services => services.GetRequiredService<OrderFeed>());
    builder.Services.AddSingleton<LiveStats>();
    builder.Services.AddHostedService(services => services.GetRequiredService<LiveStats>());
    builder.Services.AddSingleton<ConsoleEvents>();
    builder.Services.AddSingleton<DemoOrders>();
    builder.Services.AddSingleton<DeadLetterClients>();
    builder.Services.AddSingleton(Settings.From(builder.Configuration));

    var app = builder.Build();
    app.MapConsole();
    app.MapHost();
    return app;
});
