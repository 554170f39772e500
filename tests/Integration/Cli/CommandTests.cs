using System.Text.RegularExpressions;

namespace Integration.Cli;

/// <summary>All commands on a running shop.</summary>
[Collection(nameof(OnRedis))]
public sealed class CommandTests(RunningShop shop) : IAsyncLifetime
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    private string Product => $"lamp-{run}";

    private string User => $"mina-{run}";

    public async Task InitializeAsync()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = Product, Name = "Lamp", Price = 10_000, InitialStock = 5 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = User, InitialDeposit = 30_000 });
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_watched_order_that_is_confirmed_exits_with_0_and_can_be_read()
    {
        var placed = await RunAsync(0, "order", "place", User, "--item", $"{Product}:2", "--watch");
        Assert.Contains("order-created", placed.Output);
        Assert.Contains("is CONFIRMED", placed.Output);
        var order = Regex.Match(placed.Output, @"ORD-\S+").Value;

        Assert.Contains("CONFIRMED", (await RunAsync(0, "order", "show", order)).Output);
        Assert.Contains("order-confirmed", (await RunAsync(0, "order", "timeline", order)).Output);
        Assert.Contains("Nothing: it is confirmed", (await RunAsync(0, "explain", order)).Output);
        Assert.Equal("ORDER_STATUS_CONFIRMED", (await RunAsync(0, "order", "show", order, "--json")).GetField("order", "status"));
        Assert.True((await RunAsync(0, "order", "timeline", order, "--json")).Json.GetProperty("timeline").GetArrayLength() >= 4);
        Assert.StartsWith("FAILED_PRECONDITION", (await RunAsync(1, "order", "cancel", order)).Error);
        var listed = await RunAsync(0, "orders", "--status", "confirmed", "--limit", "1000", "--json");
        Assert.Contains(listed.Json.GetProperty("orders").EnumerateArray(), one => one.GetProperty("orderNumber").GetString() == order);
        await RunAsync(0, "orders", "--open");
        Assert.Equal("3", (await RunAsync(0, "product", "show", Product, "--json")).GetField("product", "available"));
    }

    [Fact]
    public async Task A_watched_order_that_fails_exits_with_1_and_shows_its_compensations()
    {
        var failed = await RunAsync(1, "order", "place", User, "--item", $"{Product}:5", "--skip-precheck", "--watch");
        Assert.Contains("FAILED: BALANCE_TOO_LOW", failed.Output);
        Assert.Contains("stock-released", failed.Output);
        var lines = (await RunAsync(1, "order", "place", User, "--item", $"{Product}:5", "--skip-precheck", "--watch", "--json")).JsonLines;
        Assert.Equal("ORDER_STATUS_PENDING", lines[0].GetProperty("order").GetProperty("status").GetString());
        Assert.Equal("order-created", lines[1].GetProperty("entry").GetProperty("event").GetString());
        Assert.Equal("ORDER_STATUS_FAILED", lines[^1].GetProperty("order").GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_refused_command_prints_one_line_to_standard_error_and_exits_with_1()
    {
        var refused = await RunAsync(1, "order", "place", User, "--item", $"{Product}:5");
        Assert.Empty(refused.Output);
        Assert.Matches(@"^FAILED_PRECONDITION: .*BALANCE_TOO_LOW.*\n$", refused.Error);
        Assert.StartsWith("NOT_FOUND", (await RunAsync(1, "order", "show", Guid.CreateVersion7().ToString())).Error);
        Assert.StartsWith("INVALID_ARGUMENT", (await RunAsync(1, "order", "show", "ORD-1")).Error);
        Assert.StartsWith("NOT_FOUND", (await RunAsync(1, "dead-letters", "show", "0000")).Error);
    }

    [Fact]
    public async Task Products_accounts_and_coupons_are_created_and_shown()
    {
        var product = $"chair-{run}";
        await RunAsync(0, "product", "put", product, "--name", "Chair", "--price", "310000", "--pieces", "5");
        Assert.Equal("8", (await RunAsync(0, "product", "adjust", product, "3", "--json")).GetField("product", "available"));
        Assert.Contains("Chair", (await RunAsync(0, "product", "list")).Output);
        await RunAsync(0, "account", "put", $"sora-{run}", "--deposit", "500000");
        Assert.Equal("500000", (await RunAsync(0, "account", "show", $"sora-{run}", "--json")).GetField("account", "balance"));
        await RunAsync(0, "coupon", "put", $"sora-{run}", "--id", $"spring-{run}", "--won-off", "3000");
        Assert.Equal("COUPON_STATUS_AVAILABLE", (await RunAsync(0, "coupon", "show", $"spring-{run}", "--json")).GetField("coupon", "status"));
        Assert.StartsWith("ALREADY_EXISTS", (await RunAsync(1, "account", "open", $"sora-{run}")).Error);
    }

    [Fact]
    public async Task Dead_letters_are_listed_shown_redriven_and_discarded()
    {
        // order-confirmed without a reservation fails again in both participants. order-failed of an unknown order is handled.
        var (hopeless, late) = (Guid.CreateVersion7().ToString(), Guid.CreateVersion7().ToString());
        foreach (var service in (string[])["payments", "stock"])
        {
            await AddAsync($"{service}-dead-letters", hopeless, "OrderConfirmedEvent", "order-confirmed",
                $$"""{"orderId":"{{hopeless}}","userId":"u","items":[{"productId":"p","quantity":1,"unitPrice":"5"}],"totalAmount":"5","finalAmount":"5"}""");
        }
        await AddAsync("stock-dead-letters", late, "OrderFailedEvent", "order-failed",
            $$"""{"orderId":"{{late}}","userId":"u","items":[{"productId":"{{Product}}","quantity":2}],"reason":"CANCELLED"}""");
        var second = await WaitForLetterAsync("stock", late);
        foreach (var service in (string[])["payments", "stock"])
        {
            var first = await WaitForLetterAsync(service, hopeless);
            Assert.Contains(first, (await RunAsync(0, "dead-letters", "list")).Output);
            Assert.Matches($@"service +{service}\b[^~]*order +{hopeless}", (await RunAsync(0, "dead-letters", "show", first)).Output);
            Assert.Contains("It would fail again", (await RunAsync(1, "dead-letters", "redrive", first, "--dry-run")).Output);
            Assert.Contains("It failed again", (await RunAsync(1, "dead-letters", "redrive", first)).Output);
            await RunAsync(0, "dead-letters", "discard", first);
            Assert.StartsWith("FAILED_PRECONDITION", (await RunAsync(1, "dead-letters", "redrive", first)).Error);
        }

        Assert.Contains("publishes stock-released", (await RunAsync(0, "dead-letters", "redrive", second, "--dry-run")).Output);
        Assert.Equal("DEAD_LETTER_STATE_REDRIVEN", (await RunAsync(0, "dead-letters", "redrive", second, "--json")).GetField("deadLetter", "state"));
        Assert.DoesNotContain(second, (await RunAsync(0, "dead-letters", "list")).Output);
    }

    [Fact]
    public async Task A_load_reports_the_number_of_orders_by_outcome()
    {
        var load = await RunAsync(0, "load", "--count", "30", "--in-flight", "4", "--json");
        int Count(string outcome) => load.Json.GetProperty(outcome).GetProperty("count").GetInt32();
        Assert.Equal(30, Count("placed"));
        Assert.Equal(27, Count("confirmed"));
        var failed = load.Json.GetProperty("failed").EnumerateObject()
            .ToDictionary(reason => reason.Name, reason => reason.Value.GetProperty("count").GetInt32());
        Assert.Equal(new Dictionary<string, int> { ["BALANCE_TOO_LOW"] = 1, ["COUPON_EXPIRED"] = 1, ["OUT_OF_STOCK"] = 1 }, failed);
        var confirmed = load.Json.GetProperty("confirmed");
        Assert.InRange(confirmed.GetProperty("p50").GetDouble(), double.Epsilon, confirmed.GetProperty("p99").GetDouble());

        var shown = (await RunAsync(0, "load", "--seconds", "1", "--in-flight", "2")).Output;
        Assert.Contains("100 %", shown);
        Assert.Matches(@"placed +\d+ +\d", shown);
        Assert.Matches(@"confirmed +\d+ +\d", shown);
    }

    [Fact]
    public async Task The_demo_passes_and_the_audit_holds()
    {
        await RunAsync(0, "wait");
        var scenarios = (await RunAsync(0, "demo", "--json")).Json.EnumerateArray().ToArray();
        Assert.Equal(Shop.Scenario.All.Select(scenario => scenario.Name),
            scenarios.Select(scenario => scenario.GetProperty("name").GetString()));
        Assert.All(scenarios, scenario => Assert.True(scenario.GetProperty("holds").GetBoolean()));

        var audit = await RunAsync(0, "audit", "--json");
        Assert.All(audit.Json.EnumerateArray(), invariant => Assert.True(invariant.GetProperty("holds").GetBoolean()));
        Assert.Equal(audit.Json.GetArrayLength(), (await RunAsync(0, "audit")).Output.Split("holds  ").Length - 1);
    }

    [Fact]
    public async Task An_unreachable_service_is_named_and_the_exit_code_is_3()
    {
        var nowhere = $"http://localhost:{FreePort.Take()}";
        foreach (var words in (string[][])[["orders"], ["load"], ["explain", "x"], ["wait", "--timeout", "1"]])
        {
            var result = await CliRun.WithoutAddressesAsync([.. words,
                .. new[] { "--orders", "--stock", "--payments", "--coupons" }.SelectMany(name => new[] { name, nowhere })]);
            Assert.Equal(3, result.Exit);
            Assert.Contains(nowhere, result.Error);
            Assert.Single(result.Error.Trim().Split('\n'));
        }
    }

    private async Task<CliRun> RunAsync(int exit, params string[] words)
    {
        var result = await CliRun.AgainstAsync(shop, words);
        Assert.True(result.Exit == exit, $"{string.Join(' ', words)}: {result}");
        return result;
    }

    private Task AddAsync(string topic, string order, string name, string originalTopic, string data) =>
        shop.Redis.ExecuteAsync("XADD", topic, "*", "data",
        $$"""{"data":{{data}},"datacontenttype":"application/json","id":"{{order}}/{{name}}","pubsubname":"pubsub","source":"orders","specversion":"1.0","time":"{{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}}","topic":"{{originalTopic}}","type":"shop.v1.{{name}}"}""");

    private async Task<string> WaitForLetterAsync(string service, string order)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var letters = (await Shop.DeadLetterList.ReadAsync(shop.Clients, default)).Letters;
            if (letters.FirstOrDefault(letter => (letter.AppId, letter.OrderId) == (service, order)) is { } kept) return kept.DeadLetterId;
            Assert.True(DateTime.UtcNow < until, $"The dead letter of {service} and order {order} is not among the {letters.Count}.");
        }
    }
}
