using OpenTelemetry.Instrumentation.AspNetCore;
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
    builder.Services.AddSingleton(services => new Shop.ShopClients(services.GetRequiredService<ShopChannel>().To));
    builder.Services.AddSingleton(services => services.GetRequiredService<Shop.ShopClients>().Orders);
    builder.Services.AddSingleton(services => services.GetRequiredService<Shop.ShopClients>().Stock);
    builder.Services.AddSingleton(services => services.GetRequiredService<Shop.ShopClients>().Payments);
    builder.Services.AddSingleton(services => services.GetRequiredService<Shop.ShopClients>().Coupons);

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
