using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Integration.Cli;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Shop.V1;

namespace Integration.Auth;

/// <summary>Who may do what, with Auth:Mode jwt.</summary>
[Collection(nameof(OnAuth))]
public sealed class AuthTests(AuthShop shop)
{
    private static readonly StatusCode[] Denied = [StatusCode.Unauthenticated, StatusCode.PermissionDenied];

    /// <summary>What is not only for operators, and for whom: user, or an app.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["OrderService/PlaceOrder"] = ["user"],
        ["OrderService/PayOrder"] = ["user"],
        ["OrderService/GetOrder"] = ["user", "stock", "payments", "coupons"],
        ["OrderService/CancelOrder"] = ["user"],
        ["OrderService/WatchOrder"] = ["user"],
        ["OrderService/ExplainOrder"] = ["user"],
        ["OrderService/ListOrders"] = ["user"],
        ["StockService/GetProduct"] = ["user"],
        ["StockService/BatchGetProducts"] = ["user", "orders"],
        ["StockService/ListProducts"] = ["user"],
        ["PaymentService/GetAccount"] = ["user"],
        ["PaymentService/BatchGetAccounts"] = ["orders"],
        ["PaymentService/GetPayment"] = ["user"],
        ["CouponService/GetCoupon"] = ["user"],
        ["CouponService/BatchGetCoupons"] = ["orders"],
        ["CouponService/ListCoupons"] = ["user"],
        ["ParticipantService/Reserve"] = ["orders"],
        ["ParticipantService/Release"] = ["orders"],
    };

    private static readonly (string AppId, string Port, string SidecarPort)[] Apps =
        [("orders", "5001", "50001"), ("stock", "5002", "50002"), ("payments", "5003", "50003"), ("coupons", "5004", "50004")];

    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    public static TheoryData<string, string, string> Methods
    {
        get
        {
            var methods = new TheoryData<string, string, string>();
            ServiceDescriptor[] own =
            [
                OrdersReflection.Descriptor.Services[0], StockReflection.Descriptor.Services[0], PaymentsReflection.Descriptor.Services[0],
                CouponsReflection.Descriptor.Services[0],
            ];
            foreach (var (service, app) in own.Zip(Apps))
            {
                var calls = app.AppId == "orders" ? [] : ParticipantReflection.Descriptor.Services[0].Methods;
                foreach (var method in service.Methods.Concat(DeadLettersReflection.Descriptor.Services[0].Methods).Concat(calls))
                {
                    methods.Add(app.AppId, method.Service.Name, method.Name);
                }
            }
            return methods;
        }
    }

    [Theory, MemberData(nameof(Methods))]
    public async Task A_method_can_be_called_by_allowed_callers_only(string appId, string service, string method)
    {
        var allowed = Allowed.GetValueOrDefault($"{service}/{method}", []);
        var (_, port, _) = Apps.Single(app => app.AppId == appId);
        await CheckAsync("an unauthenticated client", port, [], isAllowed: false);
        await CheckAsync("a user", port, BearerOf("mina"), allowed.Contains("user"));
        // ParticipantService takes calls of the sidecar only.
        await CheckAsync("an operator", port, BearerOf("ops", isOperator: true), isAllowed: service != "ParticipantService");
        await CheckAsync("a liar", port, new() { { "dapr-caller-app-id", allowed.LastOrDefault("orders") }, { "dapr-api-token", "guessed" } }, isAllowed: false);
        foreach (var app in Apps)
        {
            Metadata headers = new() { { "dapr-app-id", appId }, { "dapr-api-token", AuthShop.ApiToken } };
            await CheckAsync($"the app {app.AppId}", app.SidecarPort, headers, app.AppId != appId && allowed.Contains(app.AppId));
            // An app that says to be another one.
            if (allowed.Contains(app.AppId)) continue;
            headers.Add("dapr-caller-app-id", allowed.LastOrDefault("orders"));
            if (app.AppId != appId) await CheckAsync($"the app {app.AppId} as another", app.SidecarPort, headers, isAllowed: false);
        }

        async Task CheckAsync(string who, string to, Metadata headers, bool isAllowed)
        {
            var answer = await CallAsync(to, service, method, headers);
            Assert.True(Denied.Contains(answer.StatusCode) != isAllowed, $"{who}: {answer.StatusCode} {answer.Detail}");
            // Nothing that is sent here is a valid request.
            if (isAllowed) Assert.True(answer.StatusCode is StatusCode.InvalidArgument or StatusCode.OK, $"{who}: {answer.StatusCode} {answer.Detail}");
        }
    }

    [Fact]
    public async Task A_user_orders_for_itself_and_sees_nothing_of_others()
    {
        var (mina, jun) = (BearerOf($"mina-{run}"), BearerOf($"jun-{run}"));
        await FillAsync($"mina-{run}", $"jun-{run}");
        var orders = shop.Clients.Orders;
        var placed = (await orders.PlaceOrderAsync(RequestOf($"mina-{run}"), mina)).Order.OrderId;
        // To its end: the look-ups of Orders and the participants' questions are calls of apps.
        using (var watch = orders.WatchOrder(new() { Order = placed }, mina, DateTime.UtcNow.AddSeconds(60)))
        {
            while (await watch.ResponseStream.MoveNext(default))
            {
            }
        }
        var own = (await orders.GetOrderAsync(new() { Order = placed }, mina)).Order;
        Assert.Equal((OrderStatus.Confirmed, "Mina"), (own.Status, own.RecipientName));

        await AssertAsync(StatusCode.PermissionDenied, "only an operator may do this for", () => orders.PlaceOrderAsync(RequestOf($"mina-{run}"), jun));
        await AssertAsync(StatusCode.NotFound, placed, () => orders.GetOrderAsync(new() { Order = placed }, jun));
        await AssertAsync(StatusCode.NotFound, placed, () => orders.ExplainOrderAsync(new() { Order = placed }, jun));
        await AssertAsync(StatusCode.NotFound, placed, () => orders.CancelOrderAsync(new() { Order = placed }, jun));
        using (var watch = orders.WatchOrder(new() { Order = placed }, jun))
        {
            Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(default))).StatusCode);
        }
        await AssertAsync(StatusCode.NotFound, placed, () => shop.Clients.Payments.GetPaymentAsync(new() { OrderId = placed }, jun));
        await AssertAsync(StatusCode.PermissionDenied, "mina", () => shop.Clients.Payments.GetAccountAsync(new() { UserId = $"mina-{run}" }, jun));
        await AssertAsync(StatusCode.NotFound, "coupon", () => shop.Clients.Coupons.GetCouponAsync(new() { UserCouponId = $"mina-{run}" }, jun));
        foreach (var skip in (bool[])[false, true])
        {
            await AssertAsync(StatusCode.NotFound, "coupon", () => orders.PlaceOrderAsync(
                new(RequestOf($"jun-{run}")) { UserCouponId = $"mina-{run}", SkipPrecheck = skip }, jun));
        }
        await AssertAsync(StatusCode.PermissionDenied, "mina", () => shop.Clients.Coupons.ListCouponsAsync(new() { UserId = $"mina-{run}" }, jun));
        Assert.Equal([$"jun-{run}"], (await shop.Clients.Coupons.ListCouponsAsync(new(), jun)).Coupons.Select(coupon => coupon.UserId));
        // A token's user that is no id of the shop is not part of a state key.
        await AssertAsync(StatusCode.InvalidArgument, "user_id", () => shop.Clients.Coupons.ListCouponsAsync(new(), BearerOf("a||b")));
        Assert.Empty(await ListAsync(jun));
        Assert.Equal([placed], await ListAsync(mina));
        Assert.Contains(placed, await ListAsync(BearerOf("ops", isOperator: true)));
        Assert.Equal("Mina", (await orders.GetOrderAsync(new() { Order = placed }, BearerOf("ops", isOperator: true))).Order.RecipientName);
        // What an app sees of an order is without personal data.
        using var sidecar = GrpcChannel.ForAddress(shop.AddressOf("50002"));
        var seen = (await new OrderService.OrderServiceClient(sidecar).GetOrderAsync(
            new() { Order = placed }, new Metadata { { "dapr-app-id", "orders" }, { "dapr-api-token", AuthShop.ApiToken } })).Order;
        Assert.Equal((OrderStatus.Confirmed, ""), (seen.Status, seen.RecipientName));

        async Task<string[]> ListAsync(Metadata who)
        {
            List<string> found = [];
            for (var page = new ListOrdersRequest(); ;)
            {
                var listed = await orders.ListOrdersAsync(page, who);
                found.AddRange(listed.Orders.Select(order => order.OrderId));
                if (listed.NextPageToken.Length == 0) return [.. found];
                page.PageToken = listed.NextPageToken;
            }
        }
    }

    public static TheoryData<string, string> Tokens => new()
    {
        { "none", "Authorization: Bearer" }, { "garbage", "not a JWT" }, { "expired", "expired at" }, { "early", "not valid before" },
        { "endless", "does not expire" }, { "audience", "another audience" }, { "issuer", "another issuer" }, { "key", "signature" },
        { "unsigned", "refused" }, { "hmac", "refused" }, { "nobody", "no claim 'sub'" },
    };

    [Theory, MemberData(nameof(Tokens))]
    public async Task A_token_is_refused_with_the_reason_over_gRPC_and_HTTP(string kind, string reason)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var token = kind switch
        {
            "none" => null,
            "garbage" => "e30.garbage",
            "expired" => Issue(token => (token.IssuedAt, token.NotBefore, token.Expires) = (null, DateTime.UtcNow.AddHours(-2), DateTime.UtcNow.AddMinutes(-1))),
            "early" => Issue(token => token.NotBefore = DateTime.UtcNow.AddMinutes(10)),
            "endless" => Issue(token => token.Expires = null),
            "audience" => Issue(token => token.Audience = "bank"),
            "issuer" => Issue(token => token.Issuer = "http://evil.example"),
            "key" => Issue(token => token.SigningCredentials = TestIssuer.CredentialsOf(other)),
            "unsigned" => Issue(token => token.SigningCredentials = null),
            "hmac" => Issue(token => token.SigningCredentials = shop.Issuer.HmacOfThePublicKey()),
            _ => Issue(token => token.Claims.Remove("sub")),
        };
        // Both ways to the keys.
        Metadata headers = token is null ? [] : new() { { "authorization", $"Bearer {token}" } };
        foreach (var (port, service, method) in ((string, string, string)[])[("5001", "OrderService", "ListOrders"), ("5002", "StockService", "ListProducts")])
        {
            var answer = await CallAsync(port, service, method, headers);
            Assert.Equal(StatusCode.Unauthenticated, answer.StatusCode);
            Assert.Contains(reason, answer.Detail);
        }
        using var http = new HttpClient();
        if (token is not null) http.DefaultRequestHeaders.Authorization = new("Bearer", token);
        using var response = await http.GetAsync($"{shop.AddressOf("8080")}/api/orders/{Guid.CreateVersion7()}");
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (response.StatusCode, $"{response.Headers.WwwAuthenticate}"));
        Assert.Contains(reason, (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("detail").GetString());

        string Issue(Action<SecurityTokenDescriptor> change) => shop.Issuer.Issue("mina", isOperator: true, change);
    }

    [Fact]
    public async Task Over_HTTP_a_user_orders_for_itself_and_sees_nothing_of_others()
    {
        await FillAsync($"mina-{run}");
        using var http = new HttpClient { BaseAddress = new(shop.AddressOf("8080")) };
        Assert.Equal((HttpStatusCode.Forbidden, "PERMISSION_DENIED"), await PlaceAsync("jun"));
        Assert.Equal((HttpStatusCode.Created, null), await PlaceAsync($"mina-{run}"));
        var placed = (await shop.Clients.Orders.ListOrdersAsync(new(), BearerOf($"mina-{run}"))).Orders.Single().OrderId;
        Assert.Equal(HttpStatusCode.OK, (await GetAsync($"mina-{run}")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync("jun")).StatusCode);
        http.DefaultRequestHeaders.Authorization = null;
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/healthz/live")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/healthz/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/metrics")).StatusCode);

        async Task<(HttpStatusCode, string?)> PlaceAsync(string user)
        {
            http.DefaultRequestHeaders.Authorization = new("Bearer", shop.Issuer.Issue(user));
            using var body = new StringContent($$"""{"items":[{"productId":"lamp-{{run}}","quantity":1}]}""", MediaTypeHeaderValue.Parse("application/json"));
            var answer = await http.PostAsync($"/api/orders/choreography/mina-{run}", body);
            var json = await answer.Content.ReadFromJsonAsync<JsonElement>();
            return (answer.StatusCode, json.TryGetProperty("title", out var title) ? title.GetString() : null);
        }

        Task<HttpResponseMessage> GetAsync(string user)
        {
            http.DefaultRequestHeaders.Authorization = new("Bearer", shop.Issuer.Issue(user));
            return http.GetAsync($"/api/orders/{placed}");
        }
    }

    [Fact]
    public async Task Each_caller_has_its_own_idempotency_keys()
    {
        await FillAsync($"mina-{run}");
        var (mina, ops, other) = (BearerOf($"mina-{run}"), BearerOf("ops", isOperator: true), BearerOf("other", isOperator: true));
        var request = RequestOf($"mina-{run}");
        request.IdempotencyKey = "k";
        var placed = (await shop.Clients.Orders.PlaceOrderAsync(request, mina)).Order.OrderId;
        Assert.Equal(placed, (await shop.Clients.Orders.PlaceOrderAsync(request, mina)).Order.OrderId);
        Assert.NotEqual(placed, (await shop.Clients.Orders.PlaceOrderAsync(request, ops)).Order.OrderId);

        var deposit = new DepositRequest { UserId = $"mina-{run}", Amount = 1_000, IdempotencyKey = "k" };
        foreach (var who in (Metadata[])[ops, ops, other]) await shop.Clients.Payments.DepositAsync(deposit, who);
        Assert.Equal(102_000, (await shop.Clients.Payments.GetAccountAsync(new() { UserId = $"mina-{run}" }, mina)).Account.Deposited);
        deposit.Amount = 2_000;
        await AssertAsync(StatusCode.AlreadyExists, "'k'", () => shop.Clients.Payments.DepositAsync(deposit, ops));
    }

    [Fact]
    public async Task No_token_is_in_a_log_or_in_the_store()
    {
        var token = shop.Issuer.Issue($"mina-{run}");
        await FillAsync($"mina-{run}");
        await shop.Clients.Orders.PlaceOrderAsync(RequestOf($"mina-{run}"), Bearer(token));
        await AssertAsync(StatusCode.PermissionDenied, "", () => shop.Clients.Stock.PutProductAsync(new() { ProductId = "p" }, Bearer(token)));
        string[] secrets = [token, token.Split('.')[2], shop.Token!.Split('.')[2], AuthShop.ApiToken, AuthShop.AppToken];
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, shop.Output));
        foreach (var key in shop.RedisKeys())
        {
            var content = await shop.ReadRedisAsync(key);
            Assert.All(secrets, secret => Assert.DoesNotContain(secret, content));
        }
    }

    [Fact]
    public async Task The_command_line_sends_SHOP_TOKEN_and_says_where_to_put_it()
    {
        await CliRun.UntilAuditHoldsAsync(shop);
        Assert.Equal(0, (await CliRun.AgainstAsync(shop, "demo")).Exit);
        string[] command = [RunningShop.ProgramOf("Shop"), "account", "list", .. CliRun.GetAddressOptions(shop)];
        var denied = await CliRun.RunAsync("dotnet", command, shop.Issuer.Issue("mina"));
        Assert.Equal((1, "PERMISSION_DENIED: 'mina' is no operator and may not do this."), (denied.Exit, denied.Error.Trim()));
        var unknown = await CliRun.RunAsync("dotnet", command);
        Assert.Equal(1, unknown.Exit);
        Assert.Contains("SHOP_TOKEN", unknown.Error);
    }

    private Metadata BearerOf(string user, bool isOperator = false) => Bearer(shop.Issuer.Issue(user, isOperator));

    private static Metadata Bearer(string token) => new() { { "authorization", $"Bearer {token}" } };

    /// <summary>A product, and for each user an account and a coupon.</summary>
    private async Task FillAsync(params string[] users)
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = $"lamp-{run}", Name = "Lamp", Price = 1_000, InitialStock = 100 });
        foreach (var user in users)
        {
            await shop.Clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = 100_000 });
            await shop.Clients.Coupons.IssueCouponAsync(new()
            {
                UserCouponId = user, UserId = user, AmountOff = 1, ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
            });
        }
    }

    private PlaceOrderRequest RequestOf(string user) => new()
    {
        UserId = user, Items = { new OrderItem { ProductId = $"lamp-{run}", Quantity = 1 } }, RecipientName = "Mina",
    };

    private static async Task AssertAsync<T>(StatusCode code, string detail, Func<AsyncUnaryCall<T>> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await call());
        Assert.Equal(code, refused.StatusCode);
        Assert.Contains(detail, refused.Status.Detail);
    }

    /// <summary>Sends an empty request, which is also read from a stream until its first answer.</summary>
    private async Task<Status> CallAsync(string port, string service, string method, Metadata headers)
    {
        var bytes = Marshallers.Create<byte[]>(content => content, content => content);
        using var channel = GrpcChannel.ForAddress(shop.AddressOf(port));
        var name = new Method<byte[], byte[]>(MethodType.ServerStreaming, $"shop.v1.{service}", method, bytes, bytes);
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(name, null, new(headers, DateTime.UtcNow.AddSeconds(15)), []);
        try
        {
            await call.ResponseStream.MoveNext(default);
            return Status.DefaultSuccess;
        }
        catch (RpcException refused)
        {
            return refused.Status;
        }
    }
}
