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

/// <summary>The shop as third-party tools see it, and the data in Redis.</summary>
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
    public async Task A_client_without_proto_files_calls_by_reflection(string port, string method)
    {
        await using var curl = ChildProcess.Start(Buf,
            ["curl", "--protocol", "grpc", "--http2-prior-knowledge", $"{shop.AddressOf(port)}/{method}", "-d", "{}"]);
        Assert.True(await curl.ExitAsync() == 0, curl.Output);
    }

    [Fact]
    public async Task An_error_reaches_another_client_with_code_message_and_details()
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
    public async Task Grpc_js_gets_the_answers_it_expects(string scenario)
    {
        await using var client = ChildProcess.Start("node",
        [
            Path.Combine(RunningShop.Root, "tests/node/shop-client.mjs"), $"{shop.Ports["5001"]}", $"{shop.Ports["5002"]}", $"{shop.Ports["5003"]}",
            scenario,
        ]);
        Assert.True(await client.ExitAsync() == 0, client.Output);
    }

    /// <summary>Both versions of the protocol, by the symbol of a method.</summary>
    [Theory]
    [InlineData("grpc.reflection.v1.ServerReflection")]
    [InlineData("grpc.reflection.v1alpha.ServerReflection")]
    public async Task Reflection_returns_the_comments_of_the_contracts(string service)
    {
        var files = await ReflectAsync("5001", service, new() { FileContainingSymbol = "shop.v1.OrderService.PlaceOrder" });
        Assert.Contains(files, file => file.Name == "google/protobuf/timestamp.proto");
        var orders = files.Single(file => file.Name == "shop/v1/orders.proto").ToProto();
        Assert.Contains(orders.SourceCodeInfo.Location, place => place.LeadingComments.Contains("Skip the precheck"));
    }

    /// <summary>A tool such as grpcurl reads the types of error details by name, and shows bytes when they are unknown.</summary>
    [Theory]
    [InlineData("5001", "v1"), InlineData("5001", "v1alpha")]
    [InlineData("5002", "v1"), InlineData("5002", "v1alpha")]
    [InlineData("5003", "v1"), InlineData("5003", "v1alpha")]
    [InlineData("5004", "v1"), InlineData("5004", "v1alpha")]
    public async Task Reflection_describes_all_types_of_error_details(string port, string version)
    {
        var service = $"grpc.reflection.{version}.ServerReflection";
        foreach (var file in (FileDescriptor[])[ErrorDetailsReflection.Descriptor, StatusReflection.Descriptor])
        {
            var byName = await ReflectAsync(port, service, new() { FileByFilename = file.Name });
            Assert.Contains(byName, known => known.ToProto().Equals(file.ToProto()));
            foreach (var type in file.MessageTypes)
            {
                var bySymbol = await ReflectAsync(port, service, new() { FileContainingSymbol = type.FullName });
                Assert.Contains(bySymbol, known => known.Name == file.Name && known.MessageTypes.Any(one => one.FullName == type.FullName));
            }
            foreach (var needed in file.Dependencies)
            {
                Assert.Contains(await ReflectAsync(port, service, new() { FileByFilename = needed.Name }), known => known.Name == needed.Name);
            }
        }
    }

    /// <summary>Each kind of error of each service, and the type of its details.</summary>
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
    public async Task The_details_of_an_error_have_a_type_that_its_service_describes(string port, string service, string call, string type)
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
        var files = await ReflectAsync(port, "grpc.reflection.v1.ServerReflection", new() { FileContainingSymbol = type });
        Assert.Contains(files, file => file.MessageTypes.Any(described => described.FullName == type));
    }

    /// <summary>Every type of google.rpc that the services create is in the two files above.</summary>
    [Fact]
    public void No_error_has_details_of_another_type()
    {
        var known = ErrorDetailsReflection.Descriptor.MessageTypes.Append(Google.Rpc.Status.Descriptor).Select(type => type.ClrType.FullName).ToArray();
        var made = ((string[])["saga", "services"]).SelectMany(folder =>
            Directory.EnumerateFiles(Path.Combine(RunningShop.Root, folder), "*.cs", SearchOption.AllDirectories))
            .SelectMany(file =>
                Regex.Matches(File.ReadAllText(file), @"\bnew (?:Google\.Rpc\.)?(\w+)\b").Select(match => $"Google.Rpc.{match.Groups[1].Value}"))
            .Where(name => typeof(ErrorInfo).Assembly.GetType(name) is not null).Distinct().ToArray();
        Assert.All((string[])["BadRequest", "ErrorInfo", "PreconditionFailure"], name => Assert.Contains($"Google.Rpc.{name}", made));
        Assert.All(made, name => Assert.Contains(name, known));
    }

    [Fact]
    public async Task State_and_events_have_the_layout_of_daprd_in_Redis()
    {
        var run = Guid.CreateVersion7().ToString("N")[^8..];
        var result = await Success.PlayAsync(shop.Clients, run, default);
        Assert.True(result.Holds);
        var order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = result.OrderNumber })).Order;

        var hash = (await shop.Redis.HashGetAllAsync($"orders||orders:order:{order.OrderId}"))
            .ToDictionary(entry => entry.Name.ToString(), entry => entry.Value.ToString());
        Assert.Equal(order.OrderId, JsonDocument.Parse(hash["data"]).RootElement.GetProperty("id").GetString());
        // One write for the order, and at least one for the three answers: answers that arrive together share one.
        Assert.True(long.Parse(hash["version"]) >= 2, $"version {hash["version"]}");
        Assert.True(await shop.Redis.KeyExistsAsync($"stock||stock:reservation:{order.OrderId}"));

        foreach (var topic in (string[])["order-created", "stock-reserved", "payment-completed", "coupon-used", "order-confirmed"])
        {
            // Other tests add malformed events.
            var own = (await shop.Redis.StreamRangeAsync(topic)).Select(entry => entry["data"].ToString()).Where(e => e.Contains(order.OrderId, StringComparison.Ordinal))
                .Select(e => JsonDocument.Parse(e).RootElement).ToArray();
            // Publishing is at least once: a resend adds an entry with the same id.
            Assert.NotEmpty(own);
            Assert.Single(own.Select(e => e.GetProperty("id").GetString()).Distinct());
            Assert.StartsWith($"{order.OrderId}/", own[0].GetProperty("id").GetString());
            Assert.All(own, e => Assert.StartsWith("shop.v1.", e.GetProperty("type").GetString()));
        }
    }

    [Fact]
    public async Task A_malformed_event_becomes_a_dead_letter_and_the_next_is_handled()
    {
        // An envelope whose data is not the event of the topic, as redis-cli could add it.
        const string Envelope =
            """{"id":"poison","source":"test","type":"x","specversion":"1.0","datacontenttype":"application/json","data":{"orderId":7},"topic":"stock-reserved","pubsubname":"pubsub"}""";
        await shop.Redis.StreamAddAsync("stock-reserved", "data", Envelope);
        Assert.True((await Success.PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default)).Holds);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        async Task<bool> IsListedAsync() => (await shop.Clients.DeadLetters[0].ListDeadLettersAsync(new(), cancellationToken: limit.Token))
            .DeadLetters.Any(letter => letter.EventId == "poison");
        while (!await IsListedAsync()) await Task.Delay(20, limit.Token);
    }

    /// <summary>Builds descriptors from the files that reflection returns, and from nothing else.</summary>
    private async Task<IReadOnlyList<FileDescriptor>> ReflectAsync(string port, string service, ServerReflectionRequest request)
    {
        var answer = ServerReflectionResponse.Parser.ParseFrom(await shop.CallRawAsync(port, service, "ServerReflectionInfo", request.ToByteArray()));
        Assert.True(answer.FileDescriptorResponse is not null, $"{request}: {answer.ErrorResponse}");
        var left = answer.FileDescriptorResponse.FileDescriptorProto.ToDictionary(bytes => FileDescriptorProto.Parser.ParseFrom(bytes));
        List<ByteString> ordered = [];
        HashSet<string> built = [];
        while (left.Keys.FirstOrDefault(file => file.Dependency.All(built.Contains)) is { } next)
        {
            left.Remove(next, out var bytes);
            ordered.Add(bytes!);
            built.Add(next.Name);
        }
        Assert.True(left.Count == 0, $"{request}: what {string.Join(", ", left.Keys.Select(file => file.Name))} imports is missing.");
        return FileDescriptor.BuildFromByteStrings(ordered);
    }

    private static Shop.Scenario Success => Shop.Scenario.All[0];
}
