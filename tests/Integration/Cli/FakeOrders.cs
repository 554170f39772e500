using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shop.V1;

namespace Integration.Cli;

/// <summary>An Orders that accepts any order, which then stays in one state for ever.</summary>
internal sealed class FakeOrders(OrderStatus status) : OrderService.OrderServiceBase
{
    /// <returns>The app, whose only URL is its address. Dispose it to stop it.</returns>
    public static async Task<WebApplication> StartAsync(OrderStatus status)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0")
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(at => at.Protocols = HttpProtocols.Http2));
        builder.Services.AddLogging(logging => logging.ClearProviders());
        builder.Services.AddRoutingCore();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(new FakeOrders(status));
        var app = builder.Build();
        app.UseRouting();
        app.MapGrpcService<FakeOrders>();
        await app.StartAsync();
        return app;
    }

    public override Task<PlaceOrderResponse> PlaceOrder(PlaceOrderRequest request, ServerCallContext context) =>
        Task.FromResult(new PlaceOrderResponse { Order = Order });

    public override Task<GetOrderResponse> GetOrder(GetOrderRequest request, ServerCallContext context) => Task.FromResult(new GetOrderResponse { Order = Order });

    public override async Task WatchOrder(WatchOrderRequest request, IServerStreamWriter<WatchOrderResponse> responseStream, ServerCallContext context)
    {
        await responseStream.WriteAsync(new() { Entry = new() { Event = "order-created", Status = OrderStatus.Pending } });
        await Task.Delay(Timeout.Infinite, context.CancellationToken);
    }

    private Order Order => new() { OrderId = "1", OrderNumber = "ORD-1", Status = status, PlacedTime = new() };
}
