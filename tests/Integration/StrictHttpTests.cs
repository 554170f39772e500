using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Shop.V1;

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
    }

    [Fact]
    public async Task An_unknown_path_or_method_has_a_body_too()
    {
        AssertProblem(await SendAsync("GET", "/api/nothing", [], []), 404, "/api/nothing", "an unknown path");
        AssertProblem(await SendAsync("DELETE", $"/api/orders/choreography/{user}", [Json], []), 405, "POST", "an unknown method");
        AssertProblem(await SendAsync("GET", "/api/orders/ORD-1", [], []), 400, "ORD-1", "no order number");
        AssertProblem(await SendAsync("GET", $"/api/orders/{Guid.CreateVersion7()}", [], []), 404, "There is no order", "an unknown order");
    }

    [Fact]
    public async Task HEAD_has_the_headers_of_GET_and_no_body()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = user, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = user, Items = { new OrderItem { ProductId = user, Quantity = 1 } }, SkipPrecheck = true });
        var head = await SendAsync("HEAD", $"/api/orders/{placed.Order.OrderId}", [], []);
        Assert.StartsWith("HTTP/1.1 200", head);
        Assert.Contains("application/json", head);
        Assert.EndsWith("\r\n\r\n", head);
        Assert.StartsWith("HTTP/1.1 404", await SendAsync("HEAD", $"/api/orders/{Guid.CreateVersion7()}", [], []));
    }

    private static void AssertProblem(string answer, int status, string detail, string what)
    {
        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal), $"{what}: {answer}");
        Assert.Contains("application/problem+json", answer);
        var problem = JsonDocument.Parse(answer[answer.IndexOf('{')..(answer.LastIndexOf('}') + 1)]).RootElement;
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.Contains(detail, problem.ToString());
        Assert.DoesNotContain("   at ", answer);
    }

    /// <returns>The whole answer: status line, headers and body.</returns>
    private async Task<string> SendAsync(string method, string path, string[] headers, byte[] body)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", shop.Ports["8080"], limit.Token);
        var stream = client.GetStream();
        var host = headers.Any(header => header.StartsWith("Host:", StringComparison.Ordinal)) ? "" : "Host: localhost\r\n";
        var head = $"{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {body.Length}\r\n{string.Concat(headers.Select(header => $"{header}\r\n"))}\r\n";
        try
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(head), limit.Token);
            await stream.WriteAsync(body, limit.Token);
        }
        catch (IOException)
        {
            // A body that is too large is refused before it is read.
        }
        using var answer = new StreamReader(stream, Encoding.UTF8);
        return await answer.ReadToEndAsync(limit.Token);
    }
}
