using System.Text.Json;
using System.Text.RegularExpressions;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Reflection.V1;
using Shop.V1;

namespace Integration;

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
        var files = await ReflectedAsync("5001", service, new() { FileContainingSymbol = "shop.v1.OrderService.PlaceOrder" });
        Assert.Contains(files, file => file.Name == "google/protobuf/timestamp.proto");
        var orders = files.Single(file => file.Name == "shop/v1/orders.proto").ToProto();
        Assert.Contains(orders.SourceCodeInfo.Location, place => place.LeadingComments.Contains("Leave every doubt to the saga"));
    }

    /// <summary>A tool such as grpcurl asks for the types of an error's details by name, and shows bytes when it is not told.</summary>
    [Theory]
    [InlineData("5001", "v1"), InlineData("5001", "v1alpha")]
    [InlineData("5002", "v1"), InlineData("5002", "v1alpha")]
    [InlineData("5003", "v1"), InlineData("5003", "v1alpha")]
    [InlineData("5004", "v1"), InlineData("5004", "v1alpha")]
    public async Task Reflection_describes_whatever_may_be_among_the_details_of_an_error(string port, string version)
    {
        var service = $"grpc.reflection.{version}.ServerReflection";
        foreach (var file in (FileDescriptor[])[ErrorDetailsReflection.Descriptor, StatusReflection.Descriptor])
        {
            var byName = await ReflectedAsync(port, service, new() { FileByFilename = file.Name });
            Assert.Contains(byName, known => known.ToProto().Equals(file.ToProto()));
            foreach (var type in file.MessageTypes)
            {
                var bySymbol = await ReflectedAsync(port, service, new() { FileContainingSymbol = type.FullName });
                Assert.Contains(bySymbol, known => known.Name == file.Name && known.MessageTypes.Any(one => one.FullName == type.FullName));
            }
            foreach (var needed in file.Dependencies)
            {
                Assert.Contains(await ReflectedAsync(port, service, new() { FileByFilename = needed.Name }), known => known.Name == needed.Name);
            }
        }
    }

    /// <summary>Each kind of refusal of each service, and the type of the details that it really comes with.</summary>
    [Theory]
    [InlineData("5001", "shop.v1.OrderService", "GetOrder", "google.rpc.BadRequest")]
    [InlineData("5001", "shop.v1.OrderService", "PlaceOrder/nothing", "google.rpc.ErrorInfo")]
    [InlineData("5001", "shop.v1.OrderService", "PlaceOrder/too_much", "google.rpc.PreconditionFailure")]
    [InlineData("5002", "shop.v1.StockService", "GetProduct", "google.rpc.BadRequest")]
    [InlineData("5002", "shop.v1.StockService", "GetProduct/nothing", "google.rpc.ErrorInfo")]
    [InlineData("5002", "shop.v1.StockService", "AdjustStock/too_much", "google.rpc.PreconditionFailure")]
    [InlineData("5003", "shop.v1.PaymentService", "GetAccount", "google.rpc.BadRequest")]
    [InlineData("5003", "shop.v1.PaymentService", "GetAccount/nothing", "google.rpc.ErrorInfo")]
    [InlineData("5004", "shop.v1.CouponService", "GetCoupon", "google.rpc.BadRequest")]
    [InlineData("5004", "shop.v1.CouponService", "GetCoupon/nothing", "google.rpc.ErrorInfo")]
    public async Task The_details_of_a_refusal_are_of_a_type_that_its_service_describes(string port, string service, string call, string type)
    {
        var id = $"r-{Guid.CreateVersion7().ToString("N")[^8..]}";
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = id, Name = "Lamp", Price = 10, InitialStock = 1 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = id, InitialDeposit = 10 });
        IMessage request = call switch
        {
            "PlaceOrder/nothing" => new PlaceOrderRequest { UserId = id, Items = { new OrderItem { ProductId = "nothing", Quantity = 1 } } },
            "PlaceOrder/too_much" => new PlaceOrderRequest { UserId = id, Items = { new OrderItem { ProductId = id, Quantity = 2 } } },
            "GetProduct/nothing" => new GetProductRequest { ProductId = "nothing" },
            "AdjustStock/too_much" => new AdjustStockRequest { ProductId = id, Delta = -2 },
            "GetAccount/nothing" => new GetAccountRequest { UserId = "nothing" },
            "GetCoupon/nothing" => new GetCouponRequest { UserCouponId = "nothing" },
            _ => new Empty(),
        };
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.CallRawAsync(port, service, call.Split('/')[0], request.ToByteArray()));
        var details = Google.Rpc.Status.Parser.ParseFrom(refused.Trailers.GetValueBytes("grpc-status-details-bin")).Details;
        Assert.Equal([type], details.Select(detail => Any.GetTypeName(detail.TypeUrl)));
        var files = await ReflectedAsync(port, "grpc.reflection.v1.ServerReflection", new() { FileContainingSymbol = type });
        Assert.Contains(files, file => file.MessageTypes.Any(described => described.FullName == type));
    }

    /// <summary>Every type of google.rpc that a rejection is made with is in the two above.</summary>
    [Fact]
    public void No_rejection_has_details_of_another_type()
    {
        var known = ErrorDetailsReflection.Descriptor.MessageTypes.Append(Google.Rpc.Status.Descriptor).Select(type => type.ClrType.FullName).ToArray();
        var made = ((string[])["saga", "services"]).SelectMany(folder => Directory.EnumerateFiles(Path.Combine(RunningShop.Root, folder), "*.cs", SearchOption.AllDirectories))
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"\bnew (?:Google\.Rpc\.)?(\w+)\b").Select(match => $"Google.Rpc.{match.Groups[1].Value}"))
            .Where(name => typeof(ErrorInfo).Assembly.GetType(name) is not null).Distinct().ToArray();
        Assert.All((string[])["BadRequest", "ErrorInfo", "PreconditionFailure"], name => Assert.Contains($"Google.Rpc.{name}", made));
        Assert.All(made, name => Assert.Contains(name, known));
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
        while (!(await shop.Clients.DeadLetters[0].ListDeadLettersAsync(new(), cancellationToken: limit.Token)).DeadLetters.Any(letter => letter.EventId == "poison"))
        {
            await Task.Delay(20, limit.Token);
        }
    }

    /// <summary>The files that reflection answers with, built from nothing but them.</summary>
    private async Task<IReadOnlyList<FileDescriptor>> ReflectedAsync(string port, string service, ServerReflectionRequest asked)
    {
        var answer = ServerReflectionResponse.Parser.ParseFrom(await shop.CallRawAsync(port, service, "ServerReflectionInfo", asked.ToByteArray()));
        Assert.True(answer.FileDescriptorResponse is not null, $"{asked}: {answer.ErrorResponse}");
        var left = answer.FileDescriptorResponse.FileDescriptorProto.ToDictionary(bytes => FileDescriptorProto.Parser.ParseFrom(bytes));
        List<ByteString> ordered = [];
        HashSet<string> built = [];
        while (left.Keys.FirstOrDefault(file => file.Dependency.All(built.Contains)) is { } next)
        {
            left.Remove(next, out var bytes);
            ordered.Add(bytes!);
            built.Add(next.Name);
        }
        Assert.True(left.Count == 0, $"{asked}: what {string.Join(", ", left.Keys.Select(file => file.Name))} imports is missing.");
        return FileDescriptor.BuildFromByteStrings(ordered);
    }

    private static Shop.Scenario Success => Shop.Scenario.All[0];
}
