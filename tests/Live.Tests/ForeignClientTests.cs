using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Reflection.V1;
using StandIns.Daprd;

namespace Live;

/// <summary>What others see: tools that nobody here wrote, and a look into Redis.</summary>
[Collection(nameof(OnRedis))]
public sealed class ForeignClientTests(RunningShop shop)
{
    private static readonly string Buf = Path.Combine(RunningShop.Root, "tests/node/node_modules/.bin/buf");

    [Fact]
    public async Task The_contracts_pass_buf_lint()
    {
        await using var lint = ChildProcess.Start(Buf, ["lint", Path.Combine(RunningShop.Root, "protos")]);
        Assert.True(await lint.ExitAsync() == 0, lint.Output);
    }

    [Theory]
    [InlineData("5001", "shop.v1.OrderService/ListOpenOrders")]
    [InlineData("5002", "shop.v1.StockService/ListProducts")]
    [InlineData("5001", "grpc.health.v1.Health/Check")]
    public async Task A_client_without_a_proto_file_calls_by_reflection(string port, string method)
    {
        await using var curl = ChildProcess.Start(Buf, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", $"{shop.AddressOf(port)}/{method}", "-d", "{}"]);
        Assert.True(await curl.ExitAsync() == 0, curl.Output);
    }

    [Fact]
    public async Task An_error_reaches_a_foreign_client_with_its_code_and_sentence()
    {
        await using var curl = ChildProcess.Start(Buf,
            ["curl", "--protocol", "grpc", "--http2-prior-knowledge", $"{shop.AddressOf("5001")}/shop.v1.OrderService/GetOrder", "-d", """{"order":"x"}"""]);
        Assert.NotEqual(0, await curl.ExitAsync());
        Assert.Contains("invalid_argument", curl.Output);
        Assert.Contains("neither an order id", curl.Output);
        Assert.Contains("google.rpc.BadRequest", curl.Output);
    }

    [Theory]
    [InlineData("place_and_watch")]
    [InlineData("refused_with_details")]
    [InlineData("too_late")]
    [InlineData("cancelled_watch")]
    [InlineData("message_over_the_limit")]
    [InlineData("compressed")]
    [InlineData("unknown_method")]
    public async Task Grpc_js_gets_the_answers_it_expects(string played)
    {
        await using var client = ChildProcess.Start("node",
            [Path.Combine(RunningShop.Root, "tests/node/shop-client.mjs"), $"{shop.Ports["5001"]}", $"{shop.Ports["5002"]}", $"{shop.Ports["5003"]}", played]);
        Assert.True(await client.ExitAsync() == 0, client.Output);
    }

    /// <summary>Both versions of the protocol, by the symbol of a method: the file comes with its comments.</summary>
    [Theory]
    [InlineData("grpc.reflection.v1.ServerReflection")]
    [InlineData("grpc.reflection.v1alpha.ServerReflection")]
    public async Task Reflection_tells_the_comments_of_the_contracts(string service)
    {
        var asked = new ServerReflectionRequest { FileContainingSymbol = "shop.v1.OrderService.PlaceOrder" };
        var answer = await shop.Call("5001", service, "ServerReflectionInfo", asked.ToByteArray());
        var files = ServerReflectionResponse.Parser.ParseFrom(answer).FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom).ToList();
        Assert.Contains(files, file => file.Name == "google/protobuf/timestamp.proto");
        var orders = files.Single(file => file.Name == "shop/v1/orders.proto");
        Assert.Contains(orders.SourceCodeInfo.Location, place => place.LeadingComments.Contains("Leave every doubt to the saga"));
    }

    [Fact]
    public async Task State_lies_in_Redis_as_daprd_keeps_it_and_events_are_streams_named_by_topic()
    {
        var run = Guid.CreateVersion7().ToString("N")[^8..];
        var result = await Success.PlayAsync(shop.Clients, run, default);
        Assert.True(result.Holds);
        var order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = result.OrderNumber })).Order;

        var hash = (await shop.Redis.HashGetAllAsync($"orders||order:{order.OrderId}")).ToDictionary(entry => entry.Name.ToString(), entry => entry.Value.ToString());
        Assert.Equal(order.OrderId, JsonDocument.Parse(hash["data"]).RootElement.GetProperty("id").GetString());
        // One write at placing, and at least one for the three answers: those that come together share one.
        Assert.InRange(long.Parse(hash["version"]), 2, 4);
        Assert.True(await shop.Redis.KeyExistsAsync($"stock||claim:{order.OrderId}"));

        foreach (var topic in (string[])["order-created", "stock-reserved", "payment-completed", "coupon-used", "order-confirmed"])
        {
            var events = (await shop.Redis.StreamRangeAsync(topic)).Select(entry => JsonDocument.Parse(entry["data"].ToString()).RootElement);
            var mine = Assert.Single(events, e => e.GetProperty("data").GetProperty("orderId").ToString() == order.OrderId);
            Assert.StartsWith($"{order.OrderId}/", mine.GetProperty("id").GetString());
            Assert.StartsWith("shop.v1.", mine.GetProperty("type").GetString());
        }
    }

    [Fact]
    public async Task An_event_that_cannot_be_read_goes_to_the_dead_letters_and_the_next_is_handled()
    {
        // As a person with redis-cli could put it there: an envelope whose data is not the topic's event.
        const string envelope = """{"id":"poison","source":"test","type":"x","specversion":"1.0","datacontenttype":"application/json","data":{"orderId":7},"topic":"stock-reserved","pubsubname":"pubsub"}""";
        await shop.Redis.StreamAddAsync("stock-reserved", "data", envelope);
        Assert.True((await Success.PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default)).Holds);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!(await shop.Redis.StreamRangeAsync("orders-dead-letters")).Any(letter => letter["data"].ToString().Contains("poison")))
        {
            await Task.Delay(20, limit.Token);
        }
    }

    private static Shop.Scenario Success => Shop.Scenario.All[0];
}
