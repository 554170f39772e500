using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Configuration;
using Orders;

namespace Saga.Tests;

/// <summary>Look-ups of concurrent orders share a call, and no failure but that of their service.</summary>
public sealed class PrecheckClientTests
{
    private static readonly string[] Ids = ["good", "corrupt", "absent", "good", "other"];

    [Theory]
    [InlineData(StatusCode.DataLoss)]
    [InlineData(StatusCode.Internal)]
    public async Task A_product_that_cannot_be_read_fails_only_the_order_that_names_it(StatusCode status)
    {
        var stock = new Stock(ids => ids.Contains("corrupt") ? status : StatusCode.OK);
        var found = await LookUpAsync(stock);
        string[] others = await Task.WhenAll(found.Where((_, at) => at != 1).Select(async one => (await one)?.ProductId ?? "none"));
        Assert.Equal(["good", "none", "good", "other"], others);
        Assert.Equal(status, (await Assert.ThrowsAsync<RpcException>(() => found[1])).StatusCode);
        // One for all, then one for each id.
        Assert.Equal([4, 1, 1, 1, 1], stock.Calls);
    }

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.ResourceExhausted)]
    public async Task A_service_that_cannot_answer_now_is_not_asked_for_each_product_alone(StatusCode status)
    {
        var stock = new Stock(_ => status);
        foreach (var one in await LookUpAsync(stock)) Assert.Equal(status, (await Assert.ThrowsAsync<RpcException>(() => one)).StatusCode);
        Assert.Equal([4], stock.Calls);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_retry_is_not_rejected_for_what_its_own_order_holds(bool sameContent)
    {
        var request = new Shop.V1.PlaceOrderRequest { UserId = "u", IdempotencyKey = "k", Items = { new Shop.V1.OrderItem { ProductId = "good", Quantity = 1 } } };
        var id = $"{Guid.CreateVersion7()}";
        OrdersAlone? alone = null;
        // The first call has placed the order, and Stock holds its last piece, after this one had looked for the order.
        var stock = new Stock(_ =>
        {
            var placed = Hazards.ScriptedShop.OrderOf() with { Id = id, Content = sameContent ? Fingerprint.Of(request.ToByteArray()) : "other" };
            alone!.Store.TryWrite($"orders||{PlacedKey.KeyOf(OrderNumber.Derive("u", "k"))}", new PlacedKey(id, alone.World.Clock.GetUtcNow()), "");
            alone.Store.TryWrite($"orders||{Orders.Order.KeyOf(id)}", placed, "");
            return StatusCode.OK;
        });
        var options = SagaOptions.Read(new(new ConfigurationBuilder().AddInMemoryCollection([new("Saga:Batching", "false")]).Build()));
        alone = new(precheck: new(options, TimeProvider.System, stock, new Payments(), null!));
        Task<Orders.Order> PlaceAsync() => alone.Placing.PlaceAsync(request, Caller.Anyone, SagaPattern.Choreography, default);
        if (sameContent) Assert.Equal(id, alone.World.Run(PlaceAsync).Id);
        else Assert.Equal(StatusCode.AlreadyExists, Assert.Throws<RejectedException>(() => alone.World.Run(PlaceAsync)).StatusCode);
    }

    private static Task<Task<Shop.V1.Product?>[]> LookUpAsync(Stock stock)
    {
        var client = new PrecheckClient(SagaOptions.Read(new(new ConfigurationBuilder().Build())), TimeProvider.System, stock, null!, null!);
        return SingleThread.RunAsync(async () =>
        {
            Task<Shop.V1.Product?>[] all = [.. Ids.Select(id => client.ProductAsync(id, default))];
            await Task.WhenAny(Task.WhenAll(all));
            return all;
        });
    }

    /// <summary>Every user has 1,000,000 won.</summary>
    internal sealed class Payments : Shop.V1.PaymentService.PaymentServiceClient
    {
        public override AsyncUnaryCall<Shop.V1.BatchGetAccountsResponse> BatchGetAccountsAsync(Shop.V1.BatchGetAccountsRequest request, CallOptions options) => new(
            Task.FromResult(new Shop.V1.BatchGetAccountsResponse { Accounts = { request.UserIds.Select(id => new Shop.V1.Account { UserId = id, Balance = 1_000_000 }) } }),
            Task.FromResult(Metadata.Empty), () => Status.DefaultSuccess, () => Metadata.Empty, () => { });
    }

    /// <summary>Knows every product but "absent".</summary>
    internal sealed class Stock(Func<IReadOnlyList<string>, StatusCode> answer) : Shop.V1.StockService.StockServiceClient
    {
        /// <summary>The number of ids of each call.</summary>
        public List<int> Calls { get; } = [];

        public override AsyncUnaryCall<Shop.V1.BatchGetProductsResponse> BatchGetProductsAsync(Shop.V1.BatchGetProductsRequest request, CallOptions options)
        {
            Calls.Add(request.ProductIds.Count);
            var response = answer(request.ProductIds) is not StatusCode.OK and var status
                ? Task.FromException<Shop.V1.BatchGetProductsResponse>(new RpcException(new(status, "")))
                : Task.FromResult(new Shop.V1.BatchGetProductsResponse
                {
                    Products = { request.ProductIds.Where(id => id != "absent").Select(id => new Shop.V1.Product { ProductId = id }) },
                });
            return new(response, Task.FromResult(Metadata.Empty), () => Status.DefaultSuccess, () => Metadata.Empty, () => { });
        }
    }
}
