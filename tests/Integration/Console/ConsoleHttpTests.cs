using System.Net;
using System.Text;
using System.Text.Json;
using Shop.V1;
using static Integration.RawHttp;

namespace Integration.Console;

/// <summary>The HTTP API of the console, and the requests that it refuses.</summary>
[Collection(nameof(OnRedis))]
public sealed class ConsoleHttpTests(RunningShop shop, RunningConsole console) : IClassFixture<RunningConsole>, IDisposable
{
    private const string Json = "Content-Type: application/json";

    private const string OrderForm = """{"quantity":1,"balance":100000,"coupon":"NONE","skipPrecheck":false}""";

    private readonly HttpClient http = new() { BaseAddress = new(console.Address) };

    public void Dispose() => http.Dispose();

    [Fact]
    public async Task The_page_loads_only_its_own_resources()
    {
        (string, string)[] files = [("/", "text/html"), ("/index.html", "text/html"), ("/main.js", "text/javascript"), ("/icon.svg", "image/svg+xml")];
        foreach (var (path, type) in files)
        {
            var file = await http.GetAsync(path);
            Assert.Equal((HttpStatusCode.OK, type), (file.StatusCode, file.Content.Headers.ContentType?.MediaType));
            Assert.StartsWith("default-src 'self'; frame-ancestors 'none'", Assert.Single(file.Headers.GetValues("Content-Security-Policy")));
            Assert.Equal("nosniff", Assert.Single(file.Headers.GetValues("X-Content-Type-Options")));
            Assert.True(file.Headers.CacheControl?.NoCache);
        }
        foreach (var path in (string[])["/nothing.js", "/..%2fConsole.dll", "/Console.dll"])
        {
            Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync(path)).StatusCode);
        }
    }

    [Theory]
    [InlineData("application/json", null, null, HttpStatusCode.OK)]
    [InlineData("application/json", "self", null, HttpStatusCode.OK)]
    [InlineData("application/json", "http://evil.example", null, HttpStatusCode.Forbidden)]
    [InlineData("application/json", "null", null, HttpStatusCode.Forbidden)]
    [InlineData("text/plain", null, null, HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/x-www-form-urlencoded", "self", null, HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json", "http://evil.example", "evil.example", HttpStatusCode.Forbidden)]
    public async Task Only_the_page_of_the_console_may_place_an_order(string type, string? origin, string? host, HttpStatusCode status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/console/orders") { Content = new StringContent(OrderForm, Encoding.UTF8, type) };
        if (origin is not null) request.Headers.Add("Origin", origin == "self" ? console.Address : origin);
        request.Headers.Host = host;
        var answer = await http.SendAsync(request);
        Assert.Equal(status, answer.StatusCode);
        if (status != HttpStatusCode.OK) Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
    }

    [Theory]
    [InlineData("dead-letters/stock/0123/redrive", "{}", HttpStatusCode.NotFound)]
    [InlineData("dead-letters/coupons/0123/dry-run", "{}", HttpStatusCode.NotFound)]
    [InlineData("dead-letters/nobody/0123/discard", "{}", HttpStatusCode.NotFound)]
    [InlineData("orders", "{", HttpStatusCode.BadRequest)]
    [InlineData("orders", """{"quantity":0,"balance":-1,"coupon":"FREE","skipPrecheck":false}""", HttpStatusCode.BadRequest)]
    public async Task Errors_of_commands_are_problem_details(string path, string body, HttpStatusCode status)
    {
        var answer = await http.PostAsync($"/api/console/{path}", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal((status, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.NotEmpty(JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("detail").GetString()!);
    }

    [Theory]
    [InlineData("orders/ORD-nonsense", HttpStatusCode.BadRequest)]
    [InlineData("orders/01a00000-0000-7000-8000-000000000000", HttpStatusCode.NotFound)]
    [InlineData("orders/01a00000-0000-7000-8000-000000000000/events", HttpStatusCode.NotFound)]
    [InlineData("orders?status=LOST", HttpStatusCode.BadRequest)]
    [InlineData("orders?pageToken=x", HttpStatusCode.BadRequest)]
    [InlineData("orders?pageSize=x", HttpStatusCode.BadRequest)]
    [InlineData("orders?pageSize=-1", HttpStatusCode.BadRequest)]
    public async Task Errors_of_queries_are_problem_details(string path, HttpStatusCode status)
    {
        var answer = await http.GetAsync($"/api/console/{path}");
        Assert.Equal((status, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
    }

    public static TheoryData<string, string[], string, int, string> Refused => new()
    {
        { "a member twice", [Json], """{"quantity":1,"quantity":2,"balance":100000,"coupon":"NONE"}""", 400, "quantity" },
        { "a member in two spellings", [Json], """{"quantity":1,"Quantity":2,"balance":100000,"coupon":"NONE"}""", 400, "uantity" },
        { "an unknown member", [Json], """{"quantity":1,"balance":100000,"coupon":"NONE","price":1}""", 400, "price" },
        { "trailing text", [Json], "ORDER x", 400, "JSON" },
        { "a second document", [Json], "ORDERORDER", 400, "JSON" },
        { "nothing", [Json], "", 400, "JSON" },
        { "null", [Json], "null", 400, "JSON" },
        { "an array", [Json], "[]", 400, "JSON" },
        { "deep nesting", [Json], new string('[', 10_000), 400, "JSON" },
        { "NUL in a text", [Json], """{"quantity":1,"balance":100000,"coupon":"NONE\u0000"}""", 400, "coupon" },
        { "half a surrogate pair", [Json], """{"quantity":1,"balance":100000,"coupon":"\ud83d"}""", 400, "coupon" },
        { "a raw NUL", [Json], "{\"quantity\":1,\"balance\":1,\"coupon\":\"\0\"}", 400, "JSON" },
        { "a quantity beyond 32 bits", [Json], """{"quantity":9999999999,"balance":100000,"coupon":"NONE"}""", 400, "quantity" },
        { "no content type", [], "ORDER", 415, "Content-Type: application/json" },
        { "a form", ["Content-Type: application/x-www-form-urlencoded"], "ORDER", 415, "Content-Type: application/json" },
        { "plain text", ["Content-Type: text/plain"], "ORDER", 415, "Content-Type: application/json" },
        { "another charset", ["Content-Type: application/json; charset=utf-16"], "ORDER", 415, "UTF-8" },
        { "no origin", [Json, "Origin: null"], "ORDER", 403, "null" },
        { "two origins", [Json, "Origin: http://localhost", "Origin: http://evil.example"], "ORDER", 403, "evil.example" },
        { "a cross-site fetch", [Json, "Sec-Fetch-Site: cross-site"], "ORDER", 403, "another site" },
        { "a same-site fetch", [Json, "Sec-Fetch-Site: same-site"], "ORDER", 403, "another site" },
        { "a foreign host", [Json, "Host: evil.example"], "ORDER", 403, "evil.example" },
    };

    [Theory, MemberData(nameof(Refused))]
    public async Task A_request_is_refused_with_a_problem_that_says_why(string what, string[] headers, string body, int status, string detail) =>
        AssertProblem(await SendAsync("POST", "orders", headers, Encoding.UTF8.GetBytes(body.Replace("ORDER", OrderForm))), status, detail, what);

    [Theory, InlineData("/"), InlineData("/main.js"), InlineData("/api/console/settings"), InlineData("/healthz/ready"), InlineData("/nothing")]
    public async Task A_foreign_name_for_this_machine_reads_nothing(string path)
    {
        var head = $"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        AssertProblem(await RawHttp.SendAsync(new Uri(console.Address).Port, Encoding.UTF8.GetBytes(head)), 403, "is not this machine", path);
    }

    [Fact]
    public async Task A_body_that_is_not_UTF_8_or_too_large_is_refused()
    {
        AssertProblem(await SendAsync("POST", "orders", [Json], [.. "{\"quantity\":1,\"coupon\":\""u8, 0xC3, 0x28, .. "\"}"u8]), 400, "UTF-8", "no UTF-8");
        AssertProblem(await SendAsync("POST", "orders", [Json], Encoding.UTF8.GetBytes(OrderForm.PadRight(20_000))), 413, "16384", "too large");
        // Beyond the limit of Kestrel too, and refused before it is sent.
        var head = $"POST /api/console/orders HTTP/1.1\r\nHost: localhost\r\n{Json}\r\nContent-Length: 40000000\r\n\r\n";
        AssertProblem(await RawHttp.SendAsync(new Uri(console.Address).Port, Encoding.UTF8.GetBytes(head)), 413, "16384", "much too large");
    }

    [Fact]
    public async Task HEAD_has_the_headers_of_GET_and_no_body()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = "head", Name = "Lamp", Price = 1_000, InitialStock = 5 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(
            new() { UserId = "head", Items = { new OrderItem { ProductId = "head", Quantity = 1 } }, SkipPrecheck = true });
        foreach (var path in (string[])["settings", "orders", $"orders/{placed.Order.OrderId}", "dead-letters"])
        {
            AssertHead(await SendAsync("HEAD", path, [], []), "application/json");
        }
        foreach (var stream in (string[])["events", $"orders/{placed.Order.OrderId}/events"]) AssertHead(await SendAsync("HEAD", stream, [], []), "text/event-stream");
        Assert.StartsWith("HTTP/1.1 404", await SendAsync("HEAD", $"orders/{Guid.CreateVersion7()}", [], []));
        AssertProblem(await SendAsync("DELETE", "orders", [Json], []), 405, "GET, HEAD", "an unknown method");
    }

    [Theory, InlineData("PENDING,CONFIRMED"), InlineData("3"), InlineData("UNSPECIFIED"), InlineData("")]
    public async Task An_unknown_status_is_refused(string status) =>
        AssertProblem(await SendAsync("GET", $"orders?status={status}", [], []), 400, "must be PENDING, CONFIRMED or FAILED", status);

    [Fact]
    public async Task It_serves_health_and_metrics_as_the_services_do()
    {
        foreach (var path in (string[])["/healthz/live", "/healthz/ready"]) Assert.Equal("Healthy", await http.GetStringAsync(path));
        Assert.NotEmpty(PrometheusText.Parse(await http.GetStringAsync("/metrics")));
    }

    [Fact]
    public async Task Recipients_of_orders_are_never_returned()
    {
        var secret = $"secret-{Guid.NewGuid():N}";
        var id = secret[^12..];
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = id, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        using var stream = await http.GetStreamAsync("/api/console/events");
        using var events = new StreamReader(stream);
        var placed = await shop.Clients.Orders.PlaceOrderAsync(new()
        {
            UserId = id,
            Items = { new OrderItem { ProductId = id, Quantity = 1 } },
            RecipientName = secret,
            ShippingAddress = secret,
            ShippingPhone = secret[..20],
            SkipPrecheck = true,
        });
        var order = placed.Order.OrderId;

        var listUpdate = "";
        while (!listUpdate.Contains(order)) listUpdate = (await events.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)))!;
        var watched = await http.GetStringAsync($"/api/console/orders/{order}/events");
        Assert.Contains("event: closed", watched);
        var explained = await http.GetStringAsync($"/api/console/orders/{order}");
        var listed = await http.GetStringAsync("/api/console/orders?pageSize=1000");
        foreach (var text in (string[])[listUpdate, watched, explained, listed])
        {
            Assert.Contains(order, text);
            Assert.DoesNotContain(secret[..20], text);
        }
    }

    private Task<string> SendAsync(string method, string path, string[] headers, byte[] body) =>
        RawHttp.SendAsync(new Uri(console.Address).Port, method, $"/api/console/{path}", headers, body);
}
