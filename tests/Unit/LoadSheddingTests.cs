using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Shop.V1;
using Traces;

namespace Saga.Tests;

/// <summary>An overloaded service rejects a call of any caller at once, with all that a client needs to retry.</summary>
public sealed class LoadSheddingTests
{
    [Fact]
    public async Task An_overloaded_service_rejects_some_methods_before_it_authenticates_and_takes_it_again_afterwards()
    {
        var port = FreePort.Take();
        var builder = SagaHost.CreateBuilder(
            ["--OTEL_SDK_DISABLED=true", "--Auth:Mode=jwt", "--Auth:Audience=shop", "--Auth:Authority=http://localhost:1", "--APP_API_TOKEN=t"], "stock", port);
        await using var app = builder.Build();
        var isOverloaded = true;
        app.UseLoadShedding(
            ["/shop.v1.StockService/PutProduct", "/shop.v1.StockService/AdjustStock"], () => isOverloaded, Rejection.Exhausted("7 products are 100 % of them", TimeSpan.FromSeconds(3)));
        app.MapGrpcService<NoStock>();
        await app.StartAsync();

        using var channel = GrpcChannel.ForAddress($"http://localhost:{port}");
        var stock = new StockService.StockServiceClient(channel);
        var rejected = await Assert.ThrowsAsync<RpcException>(async () => await stock.PutProductAsync(new() { ProductId = "a" }));
        Assert.Equal(StatusCode.ResourceExhausted, rejected.StatusCode);
        Assert.Equal("7 products are 100 % of them. This call did nothing; retry after 3 s.", rejected.Status.Detail);
        var details = Google.Rpc.Status.Parser.ParseFrom(rejected.Trailers.GetValueBytes("grpc-status-details-bin"));
        Assert.Equal(3, Assert.Single(details.Details).Unpack<RetryInfo>().RetryDelay.Seconds);

        var alsoRejected = await Assert.ThrowsAsync<RpcException>(async () => await stock.AdjustStockAsync(new() { ProductId = "a" }));
        Assert.Equal(StatusCode.ResourceExhausted, alsoRejected.StatusCode);

        var another = await Assert.ThrowsAsync<RpcException>(async () => await stock.GetProductAsync(new() { ProductId = "a" }));
        Assert.Equal(StatusCode.Unauthenticated, another.StatusCode);
        isOverloaded = false;
        var later = await Assert.ThrowsAsync<RpcException>(async () => await stock.PutProductAsync(new() { ProductId = "a" }));
        Assert.Equal(StatusCode.Unauthenticated, later.StatusCode);
    }

    private sealed class NoStock : StockService.StockServiceBase;
}
