using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Integration.Chaos;
using Integration.Cli;
using Shop.V1;

namespace Integration;

/// <summary>A shop with bulk subscriptions and a collector for its traces.</summary>
public sealed class BulkShop : TracedShop
{
    public BulkShop() => Environment["Saga__BulkSubscribe"] = "true";
}

/// <summary>A bulk delivery as daprd makes it while tracing is on: two header fields for each event on the one call.</summary>
[Collection(nameof(Sequential))]
public sealed class BulkDeliveryTests(BulkShop shop) : IClassFixture<BulkShop>
{
    [Fact]
    public async Task With_bulk_subscriptions_and_tracing_on_128_orders_in_flight_do_not_stall()
    {
        var load = await CliRun.AgainstAsync(shop, "load", "-n", "1000", "--in-flight", "128", "--failing", "0", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        Assert.Equal(1_000, load.Json.GetProperty("confirmed").GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task A_full_batch_with_the_headers_of_all_its_traces_is_taken_and_each_event_is_answered()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = "lamp", Name = "Lamp", Price = 1_000, InitialStock = 100 });
        string[] orders = [.. Enumerable.Range(0, 100).Select(_ => Guid.CreateVersion7().ToString())];
        var batch = new TopicEventBulkRequest
        {
            Topic = "order-created",
            Entries =
            {
                orders.Select(order => new TopicEventBulkRequestEntry
                {
                    EntryId = order,
                    CloudEvent = new() { Id = $"{order}/OrderCreatedEvent", Data = ByteString.CopyFromUtf8(JsonFormatter.Default.Format(Created(order))) },
                }),
            },
        };
        // The last cannot be read: it has an answer of its own as well.
        batch.Entries[^1].CloudEvent.Data = ByteString.CopyFromUtf8("{");

        var answer = await DeliverAsync(shop.Ports["5002"], batch);
        Assert.Equal(orders, answer.Statuses.Select(status => status.EntryId));
        Assert.All(answer.Statuses, status => Assert.Equal(TopicEventResponse.Types.TopicEventResponseStatus.Success, status.Status));
        var product = (await shop.Clients.Stock.GetProductAsync(new() { ProductId = "lamp" })).Product;
        Assert.Equal((1, 99), (product.Available, product.Held));
    }

    private static OrderCreatedEvent Created(string order) => new()
    {
        OrderId = order, UserId = "u", Items = { new OrderLine { ProductId = "lamp", Quantity = 1, UnitPrice = 1_000 } }, TotalAmount = 1_000, FinalAmount = 1_000,
    };

    // .NET's client joins header fields of one name; node's does not.
    private static async Task<TopicEventBulkResponse> DeliverAsync(int port, TopicEventBulkRequest batch)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(RunningShop.Root, "tests/node/bulk-delivery.mjs"), $"{port}", $"{batch.Entries.Count}"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        using var node = Process.Start(start)!;
        await node.StandardInput.WriteAsync(Convert.ToBase64String(batch.ToByteArray()));
        node.StandardInput.Close();
        var output = (await node.StandardOutput.ReadToEndAsync()).Trim();
        await node.WaitForExitAsync();
        Assert.StartsWith("200 0 ", output);
        return TopicEventBulkResponse.Parser.ParseFrom(Convert.FromBase64String(output["200 0 ".Length..]));
    }
}
