using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Integration;

/// <summary>The description of the HTTP API that Orders serves.</summary>
[Collection(nameof(OnRedis))]
public sealed class OpenApiTests(RunningShop shop) : IDisposable
{
    private readonly HttpClient http = new() { BaseAddress = new(shop.AddressOf("8080")) };

    public void Dispose() => http.Dispose();

    [Fact]
    public async Task The_description_is_the_one_that_is_checked_in()
    {
        var served = await http.GetStringAsync("/openapi/v1.json");
        var checkedIn = await File.ReadAllTextAsync(Path.Combine(RunningShop.Root, "docs/openapi/v1.json"));
        Assert.True(served.Trim() == checkedIn.Trim(),
            "The HTTP API has changed. If that is meant: ./run.sh, then curl -s http://localhost:8080/openapi/v1.json > docs/openapi/v1.json");
    }

    [Fact]
    public async Task An_order_and_a_problem_are_as_described()
    {
        var schemas = (await http.GetFromJsonAsync<JsonNode>("/openapi/v1.json"))!["components"]!["schemas"]!;
        var run = Guid.CreateVersion7().ToString("N")[^8..];
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = $"p-{run}", Name = "Lamp", Price = 1_000, InitialStock = 1 });
        var placed = await http.PostAsJsonAsync($"/api/orders/choreography/u-{run}",
            new { items = new[] { new { productId = $"p-{run}", quantity = 1 } }, skipPrecheck = true });
        AssertDescribed(schemas, "OrderJson", await ReadAsync(placed));
        AssertDescribed(schemas, "Problem", await ReadAsync(await http.GetAsync("/api/orders/nothing")));
    }

    [Fact]
    public async Task A_foreign_host_does_not_get_it()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/openapi/v1.json") { Headers = { Host = "evil.example" } };
        Assert.Equal(403, (int)(await http.SendAsync(request)).StatusCode);
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage answer) => await answer.Content.ReadFromJsonAsync<JsonElement>();

    /// <summary>Every member is described with its type, and every required one is there.</summary>
    private static void AssertDescribed(JsonNode schemas, string name, JsonElement value)
    {
        var schema = schemas[name]!;
        Assert.All(schema["required"]!.AsArray(), member => Assert.True(value.TryGetProperty($"{member}", out _), $"{name} lacks {member}: {value}"));
        foreach (var member in value.EnumerateObject())
        {
            var described = schema["properties"]![member.Name];
            Assert.True(described is not null, $"{name}.{member.Name} is not described.");
            Assert.Contains(member.Value.ValueKind switch
            {
                JsonValueKind.String => "string",
                JsonValueKind.Number => "integer",
                JsonValueKind.Array => "array",
                JsonValueKind.True or JsonValueKind.False => "boolean",
                var other => $"{other}",
            }, described["type"] is JsonArray several ? several.Select(type => $"{type}") : [$"{described["type"]}"]);
            if (member.Value.ValueKind != JsonValueKind.Array || described["items"]?["$ref"] is not { } reference) continue;
            foreach (var item in member.Value.EnumerateArray()) AssertDescribed(schemas, $"{reference}".Split('/')[^1], item);
        }
    }
}
