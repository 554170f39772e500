using System.Text;
using Shop.V1;
using static Integration.RawHttp;

namespace Integration;

/// <summary>
/// HTTP requests to Orders byte by byte, as no well-behaved client sends them. Each is refused with a body that says why, and places nothing.
/// </summary>
[Collection(nameof(OnRedis))]
public sealed class StrictHttpTests(RunningShop shop)
{
    private const string Json = "Content-Type: application/json";

    private readonly string user = $"strict-{Guid.CreateVersion7()}";

    private string Order => """{"items":[{"productId":"PRODUCT","quantity":1}],"skipPrecheck":true}""".Replace("PRODUCT", user);

    public static TheoryData<string, string[], string, int, string> Refused => new()
    {
        { "two keys", [Json, "Idempotency-Key: a", "Idempotency-Key: b"], "ORDER", 400, "Idempotency-Key" },
        { "the same key twice", [Json, "Idempotency-Key: a", "Idempotency-Key: a"], "ORDER", 400, "Idempotency-Key" },
        { "an empty key", [Json, "Idempotency-Key:"], "ORDER", 400, "Idempotency-Key" },
        { "a blank key", [Json, "Idempotency-Key:    "], "ORDER", 400, "Idempotency-Key" },
        { "a long key", [Json, $"Idempotency-Key: {new string('k', 129)}"], "ORDER", 400, "idempotency_key" },
        { "another key in the body", [Json, "Idempotency-Key: a"], """{"items":[{"productId":"PRODUCT","quantity":1}],"idempotencyKey":"b"}""", 400, "Idempotency-Key" },
        { "another user in the body", [Json], """{"userId":"somebody","items":[{"productId":"PRODUCT","quantity":1}]}""", 400, "userId" },
        { "a member twice", [Json], """{"skipPrecheck":true,"skipPrecheck":true,"items":[{"productId":"PRODUCT","quantity":1}]}""", 400, "skipPrecheck" },
        { "a member under both names", [Json], """{"skipPrecheck":true,"skip_precheck":false,"items":[{"productId":"PRODUCT","quantity":1}]}""", 400, "skip_precheck" },
        { "an unknown member", [Json], """{"items":[{"productId":"PRODUCT","quantity":1}],"price":1}""", 400, "price" },
        { "trailing text", [Json], "ORDER x", 400, "JSON" },
        { "a second document", [Json], "ORDERORDER", 400, "JSON" },
        { "nothing", [Json], "", 400, "JSON" },
        { "null", [Json], "null", 400, "JSON" },
        { "an array", [Json], "[]", 400, "JSON" },
        { "deep nesting", [Json], new string('[', 10_000), 400, "JSON" },
        { "NUL in a text", [Json], """{"items":[{"productId":"PRODUCT","quantity":1}],"recipientName":"a\u0000b"}""", 400, "recipient_name" },
        { "an escape sequence in a text", [Json], """{"items":[{"productId":"PRODUCT","quantity":1}],"shippingAddress":"\u001b[2J"}""", 400, "shipping_address" },
        { "half a surrogate pair", [Json], """{"items":[{"productId":"PRODUCT","quantity":1}],"recipientName":"\ud83d"}""", 400, "" },
        { "a control character in the key", [Json], """{"items":[{"productId":"PRODUCT","quantity":1}],"idempotencyKey":"a\nb"}""", 400, "idempotency_key" },
        { "a raw NUL", [Json], "{\"items\":[],\"recipientName\":\"\0\"}", 400, "JSON" },
        { "a quantity beyond 64 bits", [Json], """{"items":[{"productId":"PRODUCT","quantity":99999999999999999999}]}""", 400, "" },
        { "no content type", [], "ORDER", 415, "Content-Type: application/json" },
        { "a form", ["Content-Type: application/x-www-form-urlencoded"], "ORDER", 415, "Content-Type: application/json" },
        { "plain text", ["Content-Type: text/plain"], "ORDER", 415, "Content-Type: application/json" },
        { "another charset", ["Content-Type: application/json; charset=utf-16"], "ORDER", 415, "UTF-8" },
        { "two charsets", ["Content-Type: application/json; charset=utf-8; charset=utf-16"], "ORDER", 415, "UTF-8" },
        { "a charset without a value", ["Content-Type: application/json; charset"], "ORDER", 415, "UTF-8" },
        { "a compressed body", [Json, "Content-Encoding: gzip"], "ORDER", 415, "gzip" },
        { "a foreign origin", [Json, "Origin: http://evil.example"], "ORDER", 403, "http://evil.example" },
        { "no origin", [Json, "Origin: null"], "ORDER", 403, "null" },
        { "two origins", [Json, "Origin: http://localhost", "Origin: http://evil.example"], "ORDER", 403, "evil.example" },
        { "a cross-site fetch", [Json, "Sec-Fetch-Site: cross-site"], "ORDER", 403, "another site" },
        { "a same-site fetch", [Json, "Sec-Fetch-Site: same-site"], "ORDER", 403, "another site" },
        { "a foreign host", [Json, "Host: evil.example"], "ORDER", 403, "evil.example" },
    };

    [Theory, MemberData(nameof(Refused))]
    public async Task A_request_is_refused_with_a_problem_that_says_why(string what, string[] headers, string body, int status, string detail)
    {
        var content = Encoding.UTF8.GetBytes(body.Replace("ORDER", Order).Replace("PRODUCT", user));
        var answer = await SendAsync("POST", $"/api/orders/choreography/{user}", headers, content);
        AssertProblem(answer, status, detail, what);
        Assert.DoesNotContain((await shop.Clients.Orders.ListOrdersAsync(new() { PageSize = 1_000 })).Orders, order => order.UserId == user);
    }

    [Fact]
    public async Task A_body_that_is_not_UTF_8_or_too_large_is_refused()
    {
        AssertProblem(await SendAsync("POST", $"/api/orders/choreography/{user}", [Json], [.. "{\"recipientName\":\""u8, 0xC3, 0x28, .. "\"}"u8]), 400, "UTF-8", "no UTF-8");
        var large = Encoding.UTF8.GetBytes($$"""{"recipientName":"{{new string('n', 300_000)}}"}""");
        AssertProblem(await SendAsync("POST", $"/api/orders/choreography/{user}", [Json], large), 413, "262144", "too large");
        // What is repeated of a body is short.
        var longName = await SendAsync("POST", $"/api/orders/choreography/{user}", [Json], Encoding.UTF8.GetBytes($$"""{"{{new string('n', 200_000)}}":1}"""));
        AssertProblem(longName, 400, "Unknown field", "a long name");
        Assert.InRange(longName.Length, 100, 2_000);
    }

    [Theory]
    [InlineData("Content-Type: application/json; charset=\"utf-8\"", "localhost")]
    [InlineData("Content-Type: application/json; charset=UTF-8", "LOCALHOST")]
    public async Task What_is_written_otherwise_and_means_the_same_is_taken(string contentType, string host)
    {
        var answer = await SendAsync("POST", $"/api/orders/choreography/{user}", [contentType, $"Host: {host}"], "{}"u8.ToArray());
        AssertProblem(answer, 400, "items", contentType);
    }

    [Theory, InlineData("zz"), InlineData("80000000"), InlineData("ffffffff"), InlineData("ffffffffffffffff")]
    public async Task A_chunk_whose_size_is_none_is_refused(string size)
    {
        var head = $"POST /api/orders/choreography/{user} HTTP/1.1\r\nHost: localhost\r\n{Json}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{{}}";
        AssertProblem(await RawHttp.SendAsync(shop.Ports["8080"], Encoding.UTF8.GetBytes(head)), 400, "chunk", size);
    }

    [Fact]
    public async Task An_unknown_path_or_method_has_a_body_too()
    {
        AssertProblem(await SendAsync("GET", "/api/nothing", [], []), 404, "/api/nothing", "an unknown path");
        AssertProblem(await SendAsync("DELETE", $"/api/orders/choreography/{user}", [Json], []), 405, "POST", "an unknown method");
        AssertProblem(await SendAsync("POST", "/api/orders/choreography", [Json], "{}"u8.ToArray()), 400, "The user is missing", "a forgotten user");
        AssertProblem(await SendAsync("GET", "/api/orders/ORD-1", [], []), 400, "ORD-1", "no order number");
        AssertProblem(await SendAsync("GET", $"/api/orders/{Guid.CreateVersion7()}", [], []), 404, "There is no order", "an unknown order");
        var old = await RawHttp.SendAsync(shop.Ports["8080"], "GET /api/nothing HTTP/1.0\r\nHost: localhost\r\n\r\n"u8.ToArray());
        AssertProblem(old, 404, "/api/nothing", "HTTP/1.0");
    }

    [Theory, InlineData("/healthz/ready"), InlineData("/metrics"), InlineData("/openapi/v1.json"), InlineData("/api/nothing")]
    public async Task A_foreign_name_for_this_machine_reads_nothing(string path) =>
        AssertProblem(await SendAsync("GET", path, ["Host: evil.example"], []), 403, "is not this machine", path);

    [Fact]
    public async Task HEAD_has_the_headers_of_GET_and_no_body()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = user, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = user, Items = { new OrderItem { ProductId = user, Quantity = 1 } }, SkipPrecheck = true });
        AssertHead(await SendAsync("HEAD", $"/api/orders/{placed.Order.OrderId}", [], []), "application/json");
        AssertHead(await SendAsync("HEAD", "/openapi/v1.json", [], []), "application/json");
        Assert.StartsWith("HTTP/1.1 404", await SendAsync("HEAD", $"/api/orders/{Guid.CreateVersion7()}", [], []));
    }

    public static TheoryData<string, string, int> NoHttp => new()
    {
        { "NUL in the path", "GET /api/orders/%00 HTTP/1.1\nHost: localhost", 400 },
        { "a long request line", $"GET /api/orders/{new string('a', 10_000)} HTTP/1.1\nHost: localhost", 414 },
        { "no host", "GET /api/orders/1 HTTP/1.1", 400 },
        { "two hosts", "GET /api/orders/1 HTTP/1.1\nHost: localhost\nHost: localhost", 400 },
        { "a malformed host", "GET /api/orders/1 HTTP/1.1\nHost: local host", 400 },
        { "half a request line", "GET", 400 },
        { "a header without a colon", "GET /api/orders/1 HTTP/1.1\nHost: localhost\nAccept", 400 },
        { "large headers", $"GET /api/orders/1 HTTP/1.1\nHost: localhost\nAccept: {new string('a', 100_000)}", 431 },
        { "a malformed length", "POST /api/orders/choreography/u HTTP/1.1\nHost: localhost\nContent-Length: ten", 400 },
        { "an unknown version", "GET /api/orders/1 HTTP/4.0\nHost: localhost", 505 },
        { "no path", "GET * HTTP/1.1\nHost: localhost", 405 },
    };

    /// <summary>It never reaches the service.</summary>
    [Theory, MemberData(nameof(NoHttp))]
    public async Task What_is_no_HTTP_request_is_answered_with_the_status_alone(string what, string request, int status)
    {
        var answer = await RawHttp.SendAsync(shop.Ports["8080"], Encoding.UTF8.GetBytes($"{request.Replace("\n", "\r\n")}\r\n\r\n"));
        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal), $"{what}: {answer}");
        Assert.True(answer.EndsWith("\r\n\r\n", StringComparison.Ordinal), $"{what}: {answer}");
        Assert.Contains("Connection: close", answer);
    }

    [Theory]
    [InlineData("%01")]
    [InlineData("%C3%28")]
    [InlineData("%")]
    [InlineData("..%2f..")]
    public async Task A_path_that_is_HTTP_has_an_answer_with_a_body(string segment)
    {
        AssertProblem(await SendAsync("GET", $"/api/orders/{segment}", [], []), 400, "orderNumber", segment);
        AssertProblem(await SendAsync("GET", $"/api/orders/{segment}{new string('a', 7_000)}", [], []), 400, "orderNumber", $"{segment} and more");
    }

    private Task<string> SendAsync(string method, string path, string[] headers, byte[] body) => RawHttp.SendAsync(shop.Ports["8080"], method, path, headers, body);
}
