using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Integration.Chaos;
using Integration.Cli;

namespace Integration;

/// <summary>Events that can never be handled do not delay others. They are published through a sidecar, as any client of it can.</summary>
[Collection(nameof(OnNewerDapr))]
public sealed class PoisonUnderLoadTests(NewerDaprShop shop) : IDisposable
{
    private const int InFlight = 16;
    private const double NoiseMs = 500;

    /// <summary>Events that can never be handled, with their topics.</summary>
    private static readonly (string Topic, string Json)[] Poison =
    [
        ("payment-completed", """{"orderId":"0198c0de-abcd-7000-8000-00000000dead","paymentId":"pay-1","amount":"1"}"""),
        ("stock-reserved", """{"orderId":"0198c0de-abcd-7000-8000-00000000dead","reservationId":"rsv-1"}"""),
        ("stock-reservation-failed", """{"orderId":"0198c0de-abcd-7000-8000-00000000dead","reason":"OUT_OF_STOCK","detail":"none"}"""),
        ("order-created", "{}"),
        ("order-created", """{"orderId":"evil||1","userId":"evil||1","items":[{"productId":"evil||1","quantity":-1}]}"""),
        ("order-confirmed", """{"orderId":"0198c0de-abcd-7000-8000-00000000dead","userCouponId":"c"}"""),
        ("order-failed", """{"orderId":"0198c0de-abcd-7000-8000-00000000dead","items":[]}"""),
        ("coupon-used", "[1, 2"),
    ];

    private readonly HttpClient http = new() { DefaultRequestHeaders = { { "dapr-api-token", NewerDaprShop.ApiToken } } };

    public void Dispose() => http.Dispose();

    [Fact, Trait("Hazard", "H26")]
    public async Task A_poison_event_per_second_does_not_slow_down_orders()
    {
        await LoadAsync(3);
        var before = await LoadAsync(6);
        List<string> slow = [];
        // An order behind a blocked topic waits for seconds, each time; a machine that stands still for a moment does so once.
        for (var attempt = 0; attempt < 3; attempt++)
        {
            using var end = new CancellationTokenSource();
            var poisoning = PoisonEverySecondAsync(end.Token);
            var during = await LoadAsync(12);
            await end.CancelAsync();
            var published = await poisoning;
            var after = await LoadAsync(6);
            if (published >= 6 && during <= 2 * Math.Max(before, after) + NoiseMs) return;
            slow.Add($"p99 with {published} poison events {during:0} ms, without {before:0} and {after:0} ms");
            before = after;
        }
        Assert.Fail(string.Join("; ", slow));
    }

    [Fact]
    public async Task A_burst_of_500_poison_events_delays_no_order_by_more_than_5_seconds()
    {
        List<string> slow = [];
        for (var isSlow = true; isSlow;)
        {
            var baseline = await GetMaxAsync(20);
            var burst = Task.WhenAll(Enumerable.Range(0, 500).Select(PublishAsync));
            var during = await GetMaxAsync(20);
            await burst;
            var after = await GetMaxAsync(20);
            isSlow = Math.Max(during, after) >= baseline + 5_000;
            if (isSlow) slow.Add($"The slowest order took {baseline:0} ms before, {during:0} ms during and {after:0} ms after the burst.");
            Assert.True(slow.Count < 3, string.Join(' ', slow));
        }
        foreach (var letters in shop.Clients.DeadLetters.Take(2))
        {
            var all = await letters.ListDeadLettersAsync(new() { PageSize = 1000 });
            Assert.NotEmpty(all.DeadLetters);
            Assert.All(all.DeadLetters, letter => Assert.NotEmpty(letter.Problem));
        }
    }

    /// <returns>99th percentile from PlaceOrder to CONFIRMED, in milliseconds.</returns>
    private async Task<double> LoadAsync(int seconds)
    {
        var load = await CliRun.AgainstAsync(shop, "load", "--seconds", $"{seconds}", "--in-flight", $"{InFlight}", "--failing", "0", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        return load.Json.GetProperty("confirmed").GetProperty("p99").GetDouble();
    }

    /// <returns>Maximum from PlaceOrder to CONFIRMED, in milliseconds.</returns>
    private async Task<double> GetMaxAsync(int orders)
    {
        var load = await CliRun.AgainstAsync(shop, "load", "-n", $"{orders}", "--in-flight", "4", "--failing", "0", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        return load.Json.GetProperty("confirmed").GetProperty("max").GetDouble();
    }

    private async Task<int> PoisonEverySecondAsync(CancellationToken ct)
    {
        var published = 0;
        using var second = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await second.WaitForNextTickAsync(ct)) await PublishAsync(published++);
        }
        catch (OperationCanceledException)
        {
        }
        return published;
    }

    private async Task PublishAsync(int number)
    {
        var (topic, json) = Poison[number % Poison.Length];
        using var body = new ByteArrayContent(Encoding.UTF8.GetBytes(json)) { Headers = { ContentType = new("application/json") } };
        // As application/json the sidecar itself would refuse malformed JSON.
        if (!IsJson(json)) body.Headers.ContentType = new MediaTypeHeaderValue("text/plain");
        // Each topic can be published only through the sidecar of its app.
        var sidecar = topic.Split('-')[0] switch { "order" => "3501", "stock" => "3502", "payment" => "3503", _ => "3504" };
        using var answer = await http.PostAsync($"{shop.AddressOf(sidecar)}/v1.0/publish/pubsub/{topic}", body);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var _ = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
