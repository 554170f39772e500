using System.Net;
using System.Net.Http.Json;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Integration.Cli;
using Shop.V1;

namespace Integration;

/// <summary>
/// Dapr 1.19 refuses a write with an ETag to a missing key, does not claim an event that is being handled, and limits retries to the processing
/// timeout.
/// </summary>
[Collection(nameof(OnNewerDapr))]
public sealed class NewerDaprTests(NewerDaprShop shop)
{
    [Fact]
    public async Task Orders_have_the_intended_outcome_and_the_audit_holds()
    {
        var load = await CliRun.AgainstAsync(shop, "load", "-n", "400", "--in-flight", "32", "--failing", "25", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        var audit = await CliRun.AgainstAsync(shop, "audit", "--json");
        Assert.True(audit.Exit == 0, $"{audit}");
        // All services share the keys of the store.
        Assert.True(await shop.Redis.KeyExistsAsync("orders:open:instances"));
        Assert.True(await shop.Redis.KeyExistsAsync("stock:open:instances"));
        foreach (var key in shop.RedisKeys().Where(key => !key.Contains("probe", StringComparison.Ordinal)))
        {
            // Null: it does not expire.
            var left = await shop.Redis.KeyTimeToLiveAsync(key);
            Assert.True(left is null || left > TimeSpan.FromDays(5), $"{key} expires in {left}.");
        }
        using var http = new HttpClient();
        var metadata = $"{shop.AddressOf("3501")}/v1.0/metadata";
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(metadata)).StatusCode);
        http.DefaultRequestHeaders.Add("dapr-api-token", NewerDaprShop.ApiToken);
        Assert.Contains("1.19.0", await http.GetStringAsync(metadata));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData(NewerDaprShop.ApiToken, false)]
    [InlineData(NewerDaprShop.AppToken, true)]
    public async Task Only_the_sidecar_may_deliver_events(string? token, bool isTaken)
    {
        var product = $"p-{Guid.CreateVersion7()}";
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        var order = new OrderCreatedEvent
        {
            // More than there is: the answer of Stock is stored, and nothing is held for an order that Orders does not know.
            OrderId = $"{Guid.CreateVersion7()}", UserId = "u", Items = { new OrderLine { ProductId = product, Quantity = 30, UnitPrice = 1_000 } },
            TotalAmount = 30_000, FinalAmount = 30_000,
        };
        var data = ByteString.CopyFromUtf8(JsonFormatter.Default.Format(order));
        using var channel = GrpcChannel.ForAddress(shop.AddressOf("5002"));
        Metadata headers = token is null ? [] : new() { { "dapr-api-token", token } };
        var (callback, bulk) = (new AppCallback.AppCallbackClient(channel), new AppCallbackAlpha.AppCallbackAlphaClient(channel));
        var single = callback.OnTopicEventAsync(new() { Topic = "order-created", Id = $"{order.OrderId}/OrderCreatedEvent", Data = data }, headers);
        if (isTaken)
        {
            Assert.Equal(TopicEventResponse.Types.TopicEventResponseStatus.Success, (await single).Status);
        }
        else
        {
            Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(async () => await single)).StatusCode);
            var batch = new TopicEventBulkRequest
            {
                Topic = "order-created",
                Entries = { new TopicEventBulkRequestEntry { EntryId = "1", CloudEvent = new() { Id = $"{order.OrderId}/OrderCreatedEvent", Data = data } } },
            };
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await bulk.OnBulkTopicEventAlpha1Async(batch, headers));
            Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
        }
        // The sidecar sends no token with these.
        Assert.NotEmpty((await callback.ListTopicSubscriptionsAsync(new())).Subscriptions);
        await new AppCallbackHealthCheck.AppCallbackHealthCheckClient(channel).HealthCheckAsync(new());
        var stored = shop.Clients.Stock.GetReservationAsync(new() { OrderId = order.OrderId });
        if (isTaken) Assert.Equal(ReservationStatus.Rejected, (await stored).Reservation.Status);
        else Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () => await stored)).StatusCode);
    }

    [Theory]
    [InlineData("3502", "payment-completed")]
    [InlineData("3503", "order-created")]
    [InlineData("3504", "order-confirmed")]
    [InlineData("3501", "stock-reserved")]
    [InlineData("3502", "payments-dead-letters")]
    public async Task An_app_may_publish_its_own_events_only(string sidecar, string topic)
    {
        using var http = new HttpClient { DefaultRequestHeaders = { { "dapr-api-token", NewerDaprShop.ApiToken } } };
        using var answer = await http.PostAsync($"{shop.AddressOf(sidecar)}/v1.0/publish/pubsub/{topic}", JsonContent.Create(new { }));
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }
}
