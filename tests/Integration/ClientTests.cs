using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Integration.Cli;
using Shop.V1;

namespace Integration;

/// <summary>The public API: errors and their details, idempotency keys, order ids and numbers, watching, listing.</summary>
[Collection(nameof(OnRedis))]
public sealed class ClientTests(RunningShop shop) : IAsyncLifetime, IDisposable
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];
    private readonly HttpClient http = new() { BaseAddress = new(shop.AddressOf("8080")) };

    private string Product => $"p-{run}";

    private string User => $"u-{run}";

    private string Coupon => $"c-{run}";

    public async Task InitializeAsync()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = Product, Name = "키보드", Price = 10_000, InitialStock = 5 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = User, InitialDeposit = 30_000 });
        await shop.Clients.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = Coupon,
            UserId = User,
            PercentOff = new() { Percent = 50, MaxAmount = 4_000 },
            ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
        });
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose() => http.Dispose();

    public static TheoryData<string, string, PlaceOrderRequest> Malformed => new()
    {
        { "user_id", "an empty user", new() { Items = { Item("p", 1) } } },
        { "user_id", "a user with a blank", new() { UserId = "a b", Items = { Item("p", 1) } } },
        { "user_id", "a user with the key separator", new() { UserId = "a||b", Items = { Item("p", 1) } } },
        { "user_id", "a user of 65 characters", new() { UserId = new('u', 65), Items = { Item("p", 1) } } },
        { "items", "no items", new() { UserId = "u" } },
        { "items", "101 items", new() { UserId = "u", Items = { Enumerable.Range(0, 101).Select(at => Item($"p{at}", 1)) } } },
        { "items[0].quantity", "quantity 0", new() { UserId = "u", Items = { Item("p", 0) } } },
        { "items[0].quantity", "quantity 1001", new() { UserId = "u", Items = { Item("p", 1001) } } },
        { "items[0].quantity", "a negative quantity", new() { UserId = "u", Items = { Item("p", -1) } } },
        { "items[1].product_id", "the same product twice", new() { UserId = "u", Items = { Item("p", 1), Item("p", 2) } } },
        { "items[0].product_id", "an empty product", new() { UserId = "u", Items = { Item("", 1) } } },
        { "user_coupon_id", "a coupon with a slash", new() { UserId = "u", Items = { Item("p", 1) }, UserCouponId = "a/b" } },
        { "recipient_name", "a long name", new() { UserId = "u", Items = { Item("p", 1) }, RecipientName = new('n', 101) } },
        { "shipping_address", "a long address", new() { UserId = "u", Items = { Item("p", 1) }, ShippingAddress = new('n', 501) } },
        { "shipping_phone", "a long phone number", new() { UserId = "u", Items = { Item("p", 1) }, ShippingPhone = new('1', 33) } },
        { "idempotency_key", "a long key", new() { UserId = "u", Items = { Item("p", 1) }, IdempotencyKey = new('k', 129) } },
    };

    [Theory, MemberData(nameof(Malformed))]
    public async Task A_malformed_order_names_the_field(string field, string what, PlaceOrderRequest request)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.PlaceOrderAsync(request));
        Assert.True(refused.StatusCode == StatusCode.InvalidArgument, what);
        Assert.Equal([field], GetDetail<BadRequest>(refused).FieldViolations.Select(violation => violation.Field));
    }

    [Theory]
    [InlineData("no message", new byte[0])]
    [InlineData("half a prefix", new byte[] { 0, 0, 0 })]
    [InlineData("less than its length", new byte[] { 0, 0, 0, 0, 9, 1 })]
    [InlineData("two messages", new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData("no request", new byte[] { 0, 0, 0, 0, 2, 255, 255 })]
    public async Task A_body_that_is_not_one_message_is_an_invalid_argument(string what, byte[] body)
    {
        using var http = new HttpClient();
        using var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/grpc") } };
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{shop.AddressOf("5001")}/shop.v1.OrderService/GetOrder") 
        {
            Content = content, Version = new(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TE.Add(new("trailers"));
        using var answer = await http.SendAsync(request);
        await answer.Content.ReadAsByteArrayAsync();
        var status = answer.Headers.TryGetValues("grpc-status", out var inHeaders) ? inHeaders.Single() : answer.TrailingHeaders.GetValues("grpc-status").Single();
        Assert.True(status == "3", $"{what}: {status}");
    }

    [Fact]
    public async Task All_field_violations_are_reported_together()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.PlaceOrderAsync(new() { Items = { Item("", 0) } }));
        Assert.Equal(
            ["user_id", "items[0].product_id", "items[0].quantity"],
            GetDetail<BadRequest>(refused).FieldViolations.Select(violation => violation.Field));
    }

    [Fact]
    public async Task Unknown_ids_are_not_found()
    {
        await NotFoundAsync("PRODUCT_NOT_FOUND", new() { UserId = User, Items = { Item("nothing", 1) } });
        await NotFoundAsync("PRODUCT_NOT_FOUND", new() { UserId = User, Items = { Item("nothing", 1) }, SkipPrecheck = true });
        await NotFoundAsync("ACCOUNT_NOT_FOUND", new() { UserId = "nobody", Items = { Item(Product, 1) } });
        await NotFoundAsync("COUPON_NOT_FOUND", new() { UserId = User, Items = { Item(Product, 1) }, UserCouponId = "nothing" });
        await NotFoundAsync("COUPON_NOT_FOUND", new() { UserId = User, Items = { Item(Product, 1) }, UserCouponId = "nothing", SkipPrecheck = true });

        async Task NotFoundAsync(string reason, PlaceOrderRequest request)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.PlaceOrderAsync(request));
            Assert.Equal((StatusCode.NotFound, reason), (refused.StatusCode, GetDetail<ErrorInfo>(refused).Reason));
        }
    }

    [Fact]
    public async Task An_order_that_cannot_succeed_is_refused_with_all_shortages()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(
            async () => await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = User, Items = { Item(Product, 6) } }));
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Equal([("OUT_OF_STOCK", $"product/{Product}"), ("BALANCE_TOO_LOW", $"account/{User}")],
            GetDetail<PreconditionFailure>(refused).Violations.Select(violation => (violation.Type, violation.Subject)));
        Assert.Equal(5, (await shop.Clients.Stock.GetProductAsync(new() { ProductId = Product })).Product.Available);
    }

    [Fact, Trait("Hazard", "H24")]
    public async Task The_same_key_returns_the_same_order_and_other_content_is_refused()
    {
        var request = new PlaceOrderRequest { UserId = User, Items = { Item(Product, 1) }, IdempotencyKey = "k" };
        var first = (await shop.Clients.Orders.PlaceOrderAsync(request)).Order;
        var second = (await shop.Clients.Orders.PlaceOrderAsync(request)).Order;
        Assert.Equal(first.OrderId, second.OrderId);

        var other = request.Clone();
        other.Items[0].Quantity = 2;
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.PlaceOrderAsync(other));
        Assert.Equal((StatusCode.AlreadyExists, "IDEMPOTENCY_KEY_REUSED"), (refused.StatusCode, GetDetail<ErrorInfo>(refused).Reason));
        await WatchAsync(first.OrderId);
    }

    [Fact]
    public async Task Concurrent_requests_with_one_key_create_one_order()
    {
        var request = new PlaceOrderRequest { UserId = User, Items = { Item(Product, 1) }, IdempotencyKey = "k" };
        var placed = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => shop.Clients.Orders.PlaceOrderAsync(request).ResponseAsync));
        var order = Assert.Single(placed.Select(answer => answer.Order.OrderId).Distinct());
        var open = (await shop.Clients.Orders.ListOpenOrdersAsync(new() { PageSize = 1000 })).Orders;
        Assert.InRange(open.Count(listed => listed.OrderId == order), 0, 1);
        await WatchAsync(order);
        Assert.Equal(4, (await shop.Clients.Stock.GetProductAsync(new() { ProductId = Product })).Product.Available);
    }

    [Fact]
    public async Task Commands_with_a_key_are_idempotent()
    {
        var adjust = new AdjustStockRequest { ProductId = Product, Delta = 7, IdempotencyKey = "a" };
        Assert.Equal((await shop.Clients.Stock.AdjustStockAsync(adjust)).Product, (await shop.Clients.Stock.AdjustStockAsync(adjust)).Product);
        Assert.Equal(12, (await shop.Clients.Stock.GetProductAsync(new() { ProductId = Product })).Product.Available);
        adjust.Delta = 8;
        Assert.Equal(StatusCode.AlreadyExists,
            (await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Stock.AdjustStockAsync(adjust))).StatusCode);

        var deposit = new DepositRequest { UserId = User, Amount = 1_000, IdempotencyKey = "d" };
        Assert.Equal((await shop.Clients.Payments.DepositAsync(deposit)).Account, (await shop.Clients.Payments.DepositAsync(deposit)).Account);
        Assert.Equal(31_000, (await shop.Clients.Payments.GetAccountAsync(new() { UserId = User })).Account.Deposited);

        var issue = new IssueCouponRequest
        {
            UserId = User,
            AmountOff = 10,
            ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
            IdempotencyKey = "i",
        };
        Assert.Equal((await shop.Clients.Coupons.IssueCouponAsync(issue)).Coupon, (await shop.Clients.Coupons.IssueCouponAsync(issue)).Coupon);
        Assert.Equal(2, (await shop.Clients.Coupons.ListCouponsAsync(new() { UserId = User })).Coupons.Count);
    }

    [Fact]
    public async Task A_key_belongs_to_the_first_product_account_or_coupon()
    {
        var (stock, payments, coupons) = (shop.Clients.Stock, shop.Clients.Payments, shop.Clients.Coupons);
        var (key, until) = ($"k-{run}", Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)));
        {
            var id = $"1-{run}";
            var put = new PutProductRequest { ProductId = id, Name = "Lamp", Price = 1_000, InitialStock = 5, IdempotencyKey = key };
            await BothWaysAsync(id, put, async one => (await stock.PutProductAsync(one)).Product.ProductId, one => one.Price++);
            var adjust = new AdjustStockRequest { ProductId = id, Delta = 2, IdempotencyKey = key };
            await BothWaysAsync(id, adjust, async one => (await stock.AdjustStockAsync(one)).Product.ProductId, one => one.Delta++);
            Assert.Equal(7, (await stock.GetProductAsync(new() { ProductId = id })).Product.Available);

            var open = new OpenAccountRequest { UserId = id, InitialDeposit = 10, IdempotencyKey = key };
            await BothWaysAsync(id, open, async one => (await payments.OpenAccountAsync(one)).Account.UserId, one => one.InitialDeposit++);
            var deposit = new DepositRequest { UserId = id, Amount = 5, IdempotencyKey = key };
            await BothWaysAsync(id, deposit, async one => (await payments.DepositAsync(one)).Account.UserId, one => one.Amount++);
            Assert.Equal(15, (await payments.GetAccountAsync(new() { UserId = id })).Account.Balance);

            var issue = new IssueCouponRequest { UserCouponId = id, UserId = User, AmountOff = 5, ValidUntil = until, IdempotencyKey = key };
            await BothWaysAsync(id, issue, async one => (await coupons.IssueCouponAsync(one)).Coupon.UserCouponId, one => one.AmountOff++);
        }

        // The same content again is the same command, and other content is rejected.
        async Task BothWaysAsync<T>(string id, T request, Func<T, Task<string>> runAsync, Action<T> change) where T : Google.Protobuf.IDeepCloneable<T>
        {
            Assert.Equal((id, id), (await runAsync(request), await runAsync(request)));
            var other = request.Clone();
            change(other);
            Assert.Equal(StatusCode.AlreadyExists, (await Assert.ThrowsAsync<RpcException>(() => runAsync(other))).StatusCode);
            // The same for another product, account or coupon.
            other = request.Clone();
            var target = ((Google.Protobuf.IMessage)other).Descriptor.FindFieldByNumber(1);
            target.Accessor.SetValue((Google.Protobuf.IMessage)other, $"2-{run}");
            Assert.Equal(StatusCode.AlreadyExists, (await Assert.ThrowsAsync<RpcException>(() => runAsync(other))).StatusCode);
        }
    }

    [Fact]
    public async Task Stock_cannot_become_negative_and_an_account_cannot_be_opened_twice()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Stock.AdjustStockAsync(new() { ProductId = Product, Delta = -6 }));
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Equal(StatusCode.AlreadyExists,
            (await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Payments.OpenAccountAsync(new() { UserId = User }))).StatusCode);
    }

    [Fact]
    public async Task A_confirmed_order_can_be_read_by_both_ids_watched_again_and_not_cancelled()
    {
        var placed = (await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = User, Items = { Item(Product, 2) }, UserCouponId = Coupon })).Order;
        Assert.Equal(OrderStatus.Pending, placed.Status);
        Assert.Equal(20_000, placed.TotalAmount);
        Assert.Equal(4_000, placed.DiscountAmount);
        Assert.Equal(16_000, placed.FinalAmount);
        var timeline = await WatchAsync(placed.OrderNumber);
        Assert.Equal("order-created", timeline[0].Event);
        Assert.Equal("order-confirmed", timeline[^1].Event);
        Assert.Equal(["coupon-used", "payment-completed", "stock-reserved"], timeline[1..^1].Select(entry => entry.Event).Order());
        Assert.All(timeline, entry => Assert.Equal(32, entry.TraceId.Length));

        var byId = (await shop.Clients.Orders.GetOrderAsync(new() { Order = placed.OrderId })).Order;
        var byNumber = (await shop.Clients.Orders.GetOrderAsync(new() { Order = placed.OrderNumber })).Order;
        Assert.Equal(byId, byNumber);
        Assert.Equal(timeline.Skip(3), await WatchAsync(placed.OrderId, after: 3));

        var refused = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.CancelOrderAsync(new() { Order = placed.OrderId }));
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        var explained = await shop.Clients.Orders.ExplainOrderAsync(new() { Order = placed.OrderId });
        Assert.Empty(explained.WaitsFor);
        Assert.Equal(timeline, explained.Timeline);

        Assert.Equal(ReservationStatus.Settled, (await EventuallyAsync(
            async () => (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = placed.OrderId })).Reservation.Status,
            status => status == ReservationStatus.Settled)));
        Assert.Equal(16_000, (await shop.Clients.Payments.GetPaymentAsync(new() { OrderId = placed.OrderId })).Payment.Amount);
    }

    [Fact]
    public async Task Over_HTTP_an_order_is_placed_and_read()
    {
        var body = $$"""{"items":[{"productId":"{{Product}}","quantity":1}],"userCouponId":"{{Coupon}}","recipientName":"김민아","shippingAddress":"서울","shippingPhone":"010"}""";
        var placed = await PostAsync(body, "http-key");
        Assert.Equal(HttpStatusCode.Created, placed.StatusCode);
        var order = await placed.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("PENDING", order.GetProperty("status").GetString());
        Assert.Equal(6_000, order.GetProperty("finalAmount").GetInt64());
        var number = order.GetProperty("orderNumber").GetString()!;
        await WatchAsync(number);

        var read = await http.GetFromJsonAsync<JsonElement>($"/api/orders/{number}");
        Assert.Equal("CONFIRMED", read.GetProperty("status").GetString());
        Assert.Equal("김민아", read.GetProperty("recipientName").GetString());
        var again = await (await PostAsync(body, "http-key")).Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(number, again.GetProperty("orderNumber").GetString());
    }

    [Theory]
    [InlineData("not json", 400)]
    [InlineData("", 400)]
    [InlineData("[]", 400)]
    [InlineData("""{"items":[{"productId":"x","quantity":"many"}]}""", 400)]
    [InlineData("""{"items":[]}""", 400)]
    [InlineData("""{"unknown":1}""", 400)]
    [InlineData("""{"items":[{"productId":"nothing","quantity":1}]}""", 404)]
    [InlineData("""{"items":[{"productId":"PRODUCT","quantity":6}]}""", 422)]
    public async Task Over_HTTP_errors_are_problem_details(string body, int status)
    {
        var refused = await PostAsync(body.Replace("PRODUCT", Product), null);
        Assert.Equal((status, "application/problem+json"), ((int)refused.StatusCode, refused.Content.Headers.ContentType!.MediaType));
        var problem = await refused.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("detail").GetString()!);
    }

    /// <summary>Numeric ids with more digits than a double can represent.</summary>
    [Theory]
    [InlineData("userId", "productId", "userCouponId")]
    [InlineData("user_id", "product_id", "user_coupon_id")]
    public async Task Over_HTTP_ids_may_be_whole_numbers(string userId, string productId, string userCouponId)
    {
        string user = Digits(19), product = Digits(30), coupon = Digits(64);
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 10_000, InitialStock = 5 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = 30_000 });
        await shop.Clients.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = coupon,
            UserId = user,
            AmountOff = 1_000,
            ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
        });
        var placed = await PostAsync($$"""
            {"recipientName":"홍길동","{{userId}}":{{user}},"items":[{"{{productId}}":{{product}},"quantity":2}],"{{userCouponId}}":{{coupon}},"shippingAddress":"서울시 강남구","shippingPhone":"010-1234-5678"}
            """, null, user);
        Assert.True(placed.StatusCode == HttpStatusCode.Created, await placed.Content.ReadAsStringAsync());
        var order = await placed.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(user, order.GetProperty("userId").GetString());
        Assert.Equal(product, order.GetProperty("items")[0].GetProperty("productId").GetString());
        Assert.Equal(coupon, order.GetProperty("userCouponId").GetString());
        Assert.Equal(19_000, order.GetProperty("finalAmount").GetInt64());
        Assert.Equal("홍길동", order.GetProperty("recipientName").GetString());
        Assert.Equal(OrderStatus.Confirmed, (await WatchAsync(order.GetProperty("orderId").GetString()!))[^1].Status);

        static string Digits(int count) => $"{Random.Shared.Next(1, 10)}{string.Concat(Enumerable.Range(1, count - 1).Select(_ => Random.Shared.Next(10)))}";
    }

    [Theory]
    [InlineData("""{"items":[{"productId":1.0,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "1.0")]
    [InlineData("""{"items":[{"productId":1e3,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "1e3")]
    [InlineData("""{"items":[{"productId":1E400,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "1E400")]
    [InlineData("""{"items":[{"productId":-1,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "-1")]
    [InlineData("""{"items":[{"productId":true,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "true")]
    [InlineData("""{"items":[{"productId":{"id":1},"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "an object")]
    [InlineData("""{"items":[{"productId":[1],"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].productId", "an array")]
    [InlineData("""{"items":[{"productId":1,"quantity":1},{"product_id":-2,"quantity":1}]}""", "INVALID_ARGUMENT", "items[1].product_id", "-2")]
    [InlineData("""{"items":[{"productId":"PRODUCT","quantity":1}],"userCouponId":123.5}""", "INVALID_ARGUMENT", "userCouponId", "123.5")]
    [InlineData("""{"items":[{"productId":"PRODUCT","quantity":1}],"userId":-0}""", "INVALID_ARGUMENT", "userId", "-0")]
    [InlineData("""{"items":[{"productId":null,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].product_id", "empty")]
    [InlineData("""{"items":[{"productId":12345678901234567890123456789012345678901234567890123456789012345,"quantity":1}]}""",
        "INVALID_ARGUMENT", "items[0].product_id", "it has 65")]
    [InlineData("""{"items":[{"productId":01,"quantity":1}]}""", "MALFORMED_BODY", null, "JSON")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}]""", "MALFORMED_BODY", null, "JSON")]
    [InlineData("""{"items":[{"productId":1,"quantity":1,"\ud800":1}]}""", "MALFORMED_BODY", null, "JSON")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"userCouponId":7,"userCouponId":8}""", "INVALID_ARGUMENT", "userCouponId", "must be there once")]
    [InlineData("""{"items":[{"productId":1,"product_id":2,"quantity":1}]}""", "INVALID_ARGUMENT", "items[0].product_id", "must be there once")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"recipientName":5}""", "MALFORMED_BODY", null, "JSON")]
    [InlineData("""{"items":[{"productId":1,"quantity":1}],"some_id":5}""", "MALFORMED_BODY", null, "some_id")]
    public async Task Over_HTTP_an_id_of_another_JSON_type_is_reported(string body, string title, string? field, string detail)
    {
        var refused = await PostAsync(body.Replace("PRODUCT", Product), null);
        var problem = await refused.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal((HttpStatusCode.BadRequest, title), (refused.StatusCode, problem.GetProperty("title").GetString()));
        Assert.Contains(detail, problem.GetProperty("detail").GetString());
        Assert.Equal(field is null ? [] : [field], problem.GetProperty("errors").EnumerateArray().Select(error => error.GetProperty("subject").GetString()!));
    }

    [Fact]
    public async Task Over_HTTP_all_wrong_ids_are_reported_together()
    {
        var refused = await PostAsync(
            """{"userCouponId":1.5,"items":[{"productId":-1,"quantity":1},{"productId":7,"quantity":1},{"productId":2e0,"quantity":1}]}""", null);
        var errors = (await refused.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errors").EnumerateArray();
        Assert.Equal(["userCouponId", "items[0].productId", "items[2].productId"], errors.Select(error => error.GetProperty("subject").GetString()));
    }

    [Fact]
    public async Task Over_HTTP_a_coupon_that_is_null_means_none()
    {
        var placed = await PostAsync($$"""{"items":[{"productId":"{{Product}}","quantity":1}],"userCouponId":null}""", null);
        Assert.True(placed.StatusCode == HttpStatusCode.Created, await placed.Content.ReadAsStringAsync());
        var order = await placed.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(Product, order.GetProperty("items")[0].GetProperty("productId").GetString());
        Assert.False(order.TryGetProperty("userCouponId", out _));
    }

    [Fact]
    public async Task The_requests_of_the_http_file_get_the_documented_answers()
    {
        CliRun[] runs = [await CliRun.AgainstAsync(shop, "fill"), await CliRun.AgainstAsync(shop, "fill")];
        Assert.All(runs, run => Assert.True(run.Exit == 0, $"{run}"));
        var before = (await shop.Clients.Stock.GetProductAsync(new() { ProductId = "1" })).Product.Available;

        // The first has numeric ids and a coupon.
        List<(int Status, string? Order)> answers = [];
        var requests = await File.ReadAllTextAsync(Path.Combine(RunningShop.Root, "requests/orders.http"));
        foreach (Match request in Regex.Matches(requests, @"^POST \{\{host\}\}(\S+)\n((?:.+\n)+)\n([^#]+)", RegexOptions.Multiline))
        {
            using var sent = new HttpRequestMessage(HttpMethod.Post, request.Groups[1].Value)
            {
                Content = new StringContent(request.Groups[3].Value, Encoding.UTF8, "application/json"),
            };
            if (Regex.Match(request.Groups[2].Value, "Idempotency-Key: (.+)") is { Success: true } key)
            {
                sent.Headers.Add("Idempotency-Key", key.Groups[1].Value);
            }
            var answer = await http.SendAsync(sent);
            var json = await answer.Content.ReadFromJsonAsync<JsonElement>();
            answers.Add(((int)answer.StatusCode, json.TryGetProperty("orderId", out var order) ? order.GetString() : null));
        }
        // The third is carried out at once, and the fourth refused when it is.
        Assert.Equal([201, 201, 201, 422, 422, 201, 400], answers.Select(answer => answer.Status));
        Assert.Equal(OrderStatus.Confirmed, (await WatchAsync(answers[0].Order!))[^1].Status);
        Assert.Equal(OrderStatus.Confirmed, (await WatchAsync(answers[1].Order!))[^1].Status);
        Assert.Equal(OrderStatus.Failed, (await WatchAsync(answers[5].Order!))[^1].Status);

        Assert.Equal(0, (await CliRun.AgainstAsync(shop, "fill")).Exit);
        Assert.Equal(before - 2, (await shop.Clients.Stock.GetProductAsync(new() { ProductId = "1" })).Product.Available);
        Assert.Equal(
            ["123", "welcome-mina"],
            (await shop.Clients.Coupons.ListCouponsAsync(new() { UserId = "mina" })).Coupons.Select(coupon => coupon.UserCouponId));
        Assert.Equal(1_000_000, (await shop.Clients.Payments.GetAccountAsync(new() { UserId = "mina" })).Account.Deposited);
    }

    [Fact]
    public async Task Over_HTTP_a_mistyped_order_number_is_400_and_an_unknown_one_404()
    {
        Assert.Equal(HttpStatusCode.BadRequest, (await http.GetAsync("/api/orders/ORD-00000000000000000000000001Z")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/api/orders/ORD-000000000000000000000000011")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync($"/api/orders/{Guid.CreateVersion7()}")).StatusCode);
    }

    [Fact]
    public async Task Products_are_listed_page_by_page()
    {
        for (var at = 0; at < 5; at++) await shop.Clients.Stock.PutProductAsync(new() { ProductId = $"list-{run}-{at}", Name = "x" });
        List<string> listed = [];
        for (var token = ""; ;)
        {
            var page = await shop.Clients.Stock.ListProductsAsync(new() { PageSize = 2, PageToken = token });
            Assert.InRange(page.Products.Count, 0, 2);
            listed.AddRange(page.Products.Select(product => product.ProductId));
            if ((token = page.NextPageToken).Length == 0) break;
        }
        Assert.Equal(listed.Order(StringComparer.Ordinal), listed);
        Assert.Equal(5, listed.Count(id => id.StartsWith($"list-{run}-", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Malformed_requests_are_refused_and_the_service_keeps_running()
    {
        var refused = await Assert.ThrowsAsync<RpcException>(
            async () => await shop.CallRawAsync("5001", "shop.v1.OrderService", "GetOrder", [0xFF, 0xFF, 0xFF]));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Contains("/shop.v1.OrderService/GetOrder", refused.Status.Detail);
        Assert.Equal(5, (await shop.Clients.Stock.GetProductAsync(new() { ProductId = Product })).Product.Available);
    }

    [Theory]
    [InlineData("", HealthCheckResponse.Types.ServingStatus.Serving)]
    [InlineData("shop.v1.OrderService", HealthCheckResponse.Types.ServingStatus.Serving)]
    [InlineData("shop.v1.StockService", HealthCheckResponse.Types.ServingStatus.ServiceUnknown)]
    public async Task The_health_of_the_whole_and_of_each_service_can_be_watched(string service, HealthCheckResponse.Types.ServingStatus status)
    {
        var health = new Health.HealthClient(shop.Clients.Services[0].Channel);
        using var watch = health.Watch(new() { Service = service }, deadline: DateTime.UtcNow.AddSeconds(60));
        Assert.True(await watch.ResponseStream.MoveNext(default));
        Assert.Equal(status, watch.ResponseStream.Current.Status);
        var known = status == HealthCheckResponse.Types.ServingStatus.Serving;
        Assert.Equal(known ? StatusCode.OK : StatusCode.NotFound, await GetStatusCodeAsync(health.CheckAsync(new() { Service = service })));

        static async Task<StatusCode> GetStatusCodeAsync(AsyncUnaryCall<HealthCheckResponse> call)
        {
            await Task.WhenAny(call.ResponseAsync);
            return call.GetStatus().StatusCode;
        }
    }

    private async Task<HttpResponseMessage> PostAsync(string body, string? key, string? user = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/orders/choreography/{user ?? User}")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        return await http.SendAsync(request);
    }

    private async Task<List<TimelineEntry>> WatchAsync(string order, long after = 0)
    {
        List<TimelineEntry> timeline = [];
        using var watch = shop.Clients.Orders.WatchOrder(new() { Order = order, AfterRevision = after }, deadline: DateTime.UtcNow.AddSeconds(60));
        await foreach (var change in watch.ResponseStream.ReadAllAsync()) timeline.Add(change.Entry);
        return timeline;
    }

    private static async Task<T> EventuallyAsync<T>(Func<Task<T>> read, Func<T, bool> accept)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            var seen = await read();
            if (accept(seen)) return seen;
            await Task.Delay(20, limit.Token);
        }
    }

    [Fact]
    public async Task Orders_are_listed_page_by_page()
    {
        List<string> placed = [];
        for (var at = 0; at < 3; at++)
        {
            var request = new PlaceOrderRequest { UserId = User, Items = { Item(Product, 1) }, ShippingPhone = "010" };
            placed.Add((await shop.Clients.Orders.PlaceOrderAsync(request)).Order.OrderId);
        }
        foreach (var order in placed) await WatchAsync(order);
        List<Order> listed = [];
        for (var token = ""; ;)
        {
            var page = await shop.Clients.Orders.ListOrdersAsync(new() { PageSize = 2, PageToken = token });
            Assert.InRange(page.Orders.Count, 0, 2);
            Assert.Null(page.CompleteSince);
            listed.AddRange(page.Orders);
            if ((token = page.NextPageToken).Length == 0) break;
        }
        Assert.Empty(placed.Except(listed.Select(order => order.OrderId)));
        Assert.All(listed, order => Assert.Empty(order.ShippingPhone));
        var confirmed = await shop.Clients.Orders.ListOrdersAsync(new() { PageSize = 1000, Statuses = { OrderStatus.Confirmed } });
        Assert.All(confirmed.Orders, order => Assert.Equal(OrderStatus.Confirmed, order.Status));
    }

    [Fact]
    public async Task A_list_in_a_request_that_is_too_long_is_refused_by_its_length()
    {
        var statuses = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.ListOrdersAsync(new()
        {
            Statuses = { Enumerable.Repeat(OrderStatus.Failed, 200_000) },
        }));
        Assert.Equal((StatusCode.InvalidArgument, "statuses: must be 0 to 10, not 200000."), (statuses.StatusCode, statuses.Status.Detail));
        var items = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.PlaceOrderAsync(new()
        {
            UserId = "u", Items = { Enumerable.Range(0, 10_000).Select(number => new OrderItem { ProductId = $"p{number}", Quantity = 1 }) },
        }));
        Assert.Equal((StatusCode.InvalidArgument, "items: must be 1 to 100, not 10000."), (items.StatusCode, items.Status.Detail));
        // More than 256 KiB are not even read.
        var large = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Orders.ListOrdersAsync(new() { Statuses = { Enumerable.Repeat(OrderStatus.Failed, 300_000) } }));
        Assert.Equal(StatusCode.ResourceExhausted, large.StatusCode);
    }

    [Fact]
    public async Task Accounts_and_coupons_are_listed()
    {
        Assert.Contains((await shop.Clients.Payments.ListAccountsAsync(new() { PageSize = 1000 })).Accounts, account => account.UserId == User);
        Assert.Contains((await shop.Clients.Coupons.ListCouponsAsync(new() { PageSize = 1000 })).Coupons, coupon => coupon.UserCouponId == Coupon);
        Assert.Equal([Coupon], (await shop.Clients.Coupons.ListCouponsAsync(new() { UserId = User })).Coupons.Select(coupon => coupon.UserCouponId));
    }

    private static OrderItem Item(string product, int quantity) => new() { ProductId = product, Quantity = quantity };

    private static T GetDetail<T>(RpcException refused) where T : Google.Protobuf.IMessage<T>, new()
    {
        var status = Google.Rpc.Status.Parser.ParseFrom(refused.Trailers.GetValueBytes("grpc-status-details-bin"));
        return status.Details.Single(detail => detail.Is(new T().Descriptor)).Unpack<T>();
    }
}
