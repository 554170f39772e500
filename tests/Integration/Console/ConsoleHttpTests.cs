using System.Net;
using System.Text;
using System.Text.Json;
using Shop.V1;

namespace Integration.Console;

/// <summary>The HTTP API of the console, and the requests that it refuses.</summary>
[Collection(nameof(OnRedis))]
public sealed class ConsoleHttpTests(RunningShop shop, RunningConsole console) : IClassFixture<RunningConsole>, IDisposable
{
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
    public async Task Errors_of_queries_are_problem_details(string path, HttpStatusCode status)
    {
        var answer = await http.GetAsync($"/api/console/{path}");
        Assert.Equal((status, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
    }

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
        while (!listUpdate.Contains(order)) listUpdate = (await events.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)))!;
        var watched = await http.GetStringAsync($"/api/console/orders/{order}/events");
        Assert.Contains("event: settled", watched);
        var explained = await http.GetStringAsync($"/api/console/orders/{order}");
        var listed = await http.GetStringAsync("/api/console/orders?pageSize=1000");
        foreach (var text in (string[])[listUpdate, watched, explained, listed])
        {
            Assert.Contains(order, text);
            Assert.DoesNotContain(secret[..20], text);
        }
    }
}
