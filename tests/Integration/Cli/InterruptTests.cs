using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shop.V1;

namespace Integration.Cli;

/// <summary>Ctrl-C ends a long command with exit code 130 and without an error message.</summary>
[Collection(nameof(OnTraced))]
public sealed class InterruptTests(TracedShop shop)
{
    [Fact]
    public async Task A_watch_of_an_open_order()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0")
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(at => at.Protocols = HttpProtocols.Http2));
        builder.Services.AddLogging(logging => logging.ClearProviders());
        builder.Services.AddRoutingCore();
        builder.Services.AddGrpc();
        await using var app = builder.Build();
        app.UseRouting();
        app.MapGrpcService<WaitingOrders>();
        await app.StartAsync();

        await using var process = Start("order", "place", "mina", "--item", "lamp", "--watch", "--orders", app.Urls.Single());
        await process.LineAsync("order-created");
        process.Signal("INT");
        Assert.Equal(130, await process.ExitAsync());
        Assert.EndsWith("order-created", process.Output.TrimEnd());
    }

    [Fact]
    public async Task A_load_prints_its_statistics()
    {
        var begun = DateTime.UtcNow;
        await using var process = Start(["load", "--seconds", "60", "--in-flight", "2", .. CliRun.GetAddressOptions(shop)]);
        for (var placed = false; !placed; await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < begun.AddSeconds(30), $"No order was placed. {process.Output}");
            placed = (await shop.Clients.Orders.ListOrdersAsync(new() { PageSize = 1 })).Orders.Any(order => order.PlacedTime.ToDateTime() > begun);
        }
        process.Signal("INT");
        Assert.Equal(130, await process.ExitAsync());
        Assert.Matches(@"placed +\d", process.Output);
        Assert.DoesNotContain("   at ", process.Output);
    }

    private static ChildProcess Start(params IEnumerable<string> words) => ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Shop"), .. words]);

    /// <summary>Accepts orders that stay pending.</summary>
    private sealed class WaitingOrders : OrderService.OrderServiceBase
    {
        public override Task<PlaceOrderResponse> PlaceOrder(PlaceOrderRequest request, ServerCallContext context) =>
            Task.FromResult(new PlaceOrderResponse { Order = new() { OrderId = "1", Status = OrderStatus.Pending, PlacedTime = new() } });

        public override async Task WatchOrder(WatchOrderRequest request, IServerStreamWriter<WatchOrderResponse> responseStream, ServerCallContext context)
        {
            await responseStream.WriteAsync(new() { Entry = new() { Event = "order-created", Status = OrderStatus.Pending } });
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }
    }
}
