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
        await CliRun.UntilAuditHoldsAsync(shop);
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
    [InlineData("dapr.proto.runtime.v1.appcallback", "ontopicevent")]
    [InlineData("dapr.proto.runtime.v1.AppCallback", "OnTopicEvent/")]
    [InlineData("DAPR.proto.runtime.v1.AppCallback", "OnBulkTopicEvent")]
    [InlineData("shop.v1.participantservice", "reserve")]
    [InlineData("SHOP.v1.ParticipantService", "Release")]
    [InlineData("shop.v1.ParticipantService", "Release/")]
    public async Task A_method_in_another_spelling_is_none(string service, string method)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => shop.CallRawAsync("5002", service, method, []));
        Assert.Equal(StatusCode.Unimplemented, refused.StatusCode);
        Assert.Contains($"There is no method /{service}/{method}, but /", refused.Status.Detail);
    }

    [Fact]
    public async Task No_app_may_deliver_an_event_to_another_through_the_sidecars()
    {
        using var channel = GrpcChannel.ForAddress(shop.AddressOf("50002"));
        Metadata headers = new() { { "dapr-api-token", NewerDaprShop.ApiToken }, { "dapr-app-id", "orders" } };
        var e = new TopicEventRequest { Topic = "payment-completed", Id = "x/payment-completed", PubsubName = "pubsub", Data = ByteString.CopyFromUtf8("{}") };
        var single = await Assert.ThrowsAsync<RpcException>(async () => await new AppCallback.AppCallbackClient(channel).OnTopicEventAsync(e, headers));
        var bulk = await Assert.ThrowsAsync<RpcException>(
            async () => await new AppCallbackAlpha.AppCallbackAlphaClient(channel).OnBulkTopicEventAlpha1Async(new(), headers));
        Assert.Equal((StatusCode.PermissionDenied, StatusCode.PermissionDenied), (single.StatusCode, bulk.StatusCode));
        Assert.Contains("Events come from the broker", single.Status.Detail);
    }

    [Theory]
    [InlineData(4_194_250, HttpStatusCode.NoContent)]
    [InlineData(5_000_000, HttpStatusCode.RequestEntityTooLarge)]
    public async Task An_event_that_the_sidecar_takes_becomes_a_dead_letter_however_large_it_is(int bytes, HttpStatusCode status)
    {
        var id = $"large-{Guid.CreateVersion7()}";
        using var http = new HttpClient { DefaultRequestHeaders = { { "dapr-api-token", NewerDaprShop.ApiToken } } };
        using var body = new StringContent($"\"{new string('x', bytes - 2)}\"", System.Text.Encoding.UTF8, "application/json");
        // The answer may come before the body.
        http.DefaultRequestHeaders.ExpectContinue = true;
        using var answer = await http.PostAsync($"{shop.AddressOf("3501")}/v1.0/publish/pubsub/order-created?metadata.cloudevent.id={id}", body);
        Assert.Equal(status, answer.StatusCode);
        if (status != HttpStatusCode.NoContent) return;
        await Poll.UntilAsync(async () => (await shop.Clients.DeadLetters[1].ListDeadLettersAsync(new() { PageSize = 1000 })).DeadLetters.Any(letter => letter.EventId == id));
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
