using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shop.V1;

namespace Integration.Cli;

/// <summary>Ctrl-C ends what takes long, with 130 and no complaint.</summary>
[Collection(nameof(OnRedis))]
public sealed class InterruptTests(RunningShop shop)
{
    [Fact]
    public async Task Who_watches_an_order_that_does_not_end()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(at => at.Protocols = HttpProtocols.Http2));
        builder.Services.AddLogging(logging => logging.ClearProviders());
        builder.Services.AddRoutingCore();
        builder.Services.AddGrpc();
        await using var app = builder.Build();
        app.UseRouting();
        app.MapGrpcService<WaitingOrders>();
        await app.StartAsync();

        await using var typed = Start("order", "place", "mina", "--item", "lamp", "--watch", "--orders", app.Urls.Single());
        await typed.LineAsync("order-created");
        typed.Signal("INT");
        Assert.Equal(130, await typed.ExitAsync());
        Assert.EndsWith("order-created", typed.Output.TrimEnd());
    }

    [Fact]
    public async Task A_load_which_then_says_how_it_went_so_far()
    {
        var begun = DateTime.UtcNow;
        await using var typed = Start(["load", "--seconds", "60", "--in-flight", "2", .. CliRun.AddressesOf(shop)]);
        for (var placed = false; !placed; await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < begun.AddSeconds(30), $"Nothing is placed. {typed.Output}");
            placed = (await shop.Clients.Orders.ListOrdersAsync(new() { PageSize = 1 })).Orders.Any(order => order.PlacedTime.ToDateTime() > begun);
        }
        typed.Signal("INT");
        Assert.Equal(130, await typed.ExitAsync());
        Assert.Matches(@"placed +\d", typed.Output);
        Assert.DoesNotContain("   at ", typed.Output);
    }

    private static ChildProcess Start(params IEnumerable<string> words) => ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Shop"), .. words]);

    /// <summary>Takes every order, and nothing comes of it.</summary>
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
