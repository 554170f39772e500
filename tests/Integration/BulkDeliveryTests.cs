using System.Diagnostics;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Integration.Cli;
using Shop.V1;

namespace Integration;

/// <summary>Bulk deliveries with traces, for which daprd adds two header fields for each event to the call.</summary>
[Collection(nameof(Sequential))]
public sealed class BulkDeliveryTests(BulkShop shop) : IClassFixture<BulkShop>
{
    [Fact]
    public async Task A_load_of_128_orders_in_flight_completes()
    {
        var load = await CliRun.AgainstAsync(shop, "load", "-n", "1000", "--in-flight", "128", "--failing", "0", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        Assert.Equal(1_000, load.Json.GetProperty("confirmed").GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task A_full_batch_with_all_trace_headers_is_accepted_and_each_entry_has_a_status()
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
                    CloudEvent = new() { Id = $"{order}/OrderCreatedEvent", Data = ByteString.CopyFromUtf8(JsonFormatter.Default.Format(CreateEvent(order))) },
                }),
            },
        };
        // The last entry is malformed; it has a status of its own as well.
        batch.Entries[^1].CloudEvent.Data = ByteString.CopyFromUtf8("{");

        var answer = await DeliverAsync(shop.Ports["5002"], batch);
        Assert.Equal(orders, answer.Statuses.Select(status => status.EntryId));
        // A hundred writers of one document may conflict more often than an update is tried again; the sidecar redelivers then.
        for (var again = 0; again < 3 && answer.Statuses.Any(status => status.Status == TopicEventResponse.Types.TopicEventResponseStatus.Retry); again++)
        {
            answer = await DeliverAsync(shop.Ports["5002"], batch);
        }
        Assert.All(answer.Statuses, status => Assert.Equal(TopicEventResponse.Types.TopicEventResponseStatus.Success, status.Status));
        var product = (await shop.Clients.Stock.GetProductAsync(new() { ProductId = "lamp" })).Product;
        Assert.Equal(new StockLevel(Available: 1, Held: 99), StockLevel.From(product));
    }

    private static OrderCreatedEvent CreateEvent(string order) => new()
    {
        OrderId = order, UserId = "u", Items = { new OrderLine { ProductId = "lamp", Quantity = 1, UnitPrice = 1_000 } },
        TotalAmount = 1_000, FinalAmount = 1_000,
    };

    // The client of .NET joins header fields of one name; that of node does not.
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
