using System.Text.RegularExpressions;

namespace Integration.Cli;

/// <summary>The command line as people and scripts use it, on a running shop.</summary>
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
    public async Task An_order_that_is_watched_ends_with_0_when_it_is_confirmed_and_can_be_looked_at()
    {
        var placed = await DoneAsync(0, "order", "place", User, "--item", $"{Product}:2", "--watch");
        Assert.Contains("order-created", placed.Output);
        Assert.Contains("is CONFIRMED", placed.Output);
        var order = Regex.Match(placed.Output, @"ORD-\S+").Value;

        Assert.Contains("CONFIRMED", (await DoneAsync(0, "order", "show", order)).Output);
        Assert.Contains("order-confirmed", (await DoneAsync(0, "order", "timeline", order)).Output);
        Assert.Contains("Nothing: it is confirmed", (await DoneAsync(0, "explain", order)).Output);
        Assert.Equal("ORDER_STATUS_CONFIRMED", (await DoneAsync(0, "order", "show", order, "--json")).Told("order", "status"));
        Assert.True((await DoneAsync(0, "order", "timeline", order, "--json")).Json.GetProperty("timeline").GetArrayLength() >= 4);
        Assert.StartsWith("FAILED_PRECONDITION", (await DoneAsync(1, "order", "cancel", order)).Error);
        var listed = await DoneAsync(0, "orders", "--status", "confirmed", "--limit", "1000", "--json");
        Assert.Contains(listed.Json.GetProperty("orders").EnumerateArray(), one => one.GetProperty("orderNumber").GetString() == order);
        await DoneAsync(0, "orders", "--open");
        Assert.Equal("3", (await DoneAsync(0, "product", "show", Product, "--json")).Told("product", "available"));
    }

    [Fact]
    public async Task An_order_that_is_watched_ends_with_1_when_it_fails_and_shows_what_was_undone()
    {
        var failed = await DoneAsync(1, "order", "place", User, "--item", $"{Product}:5", "--skip-precheck", "--watch");
        Assert.Contains("FAILED: BALANCE_TOO_LOW", failed.Output);
        Assert.Contains("stock-released", failed.Output);
        var lines = (await DoneAsync(1, "order", "place", User, "--item", $"{Product}:5", "--skip-precheck", "--watch", "--json")).JsonLines;
        Assert.Equal("ORDER_STATUS_PENDING", lines[0].GetProperty("order").GetProperty("status").GetString());
        Assert.Equal("order-created", lines[1].GetProperty("entry").GetProperty("event").GetString());
        Assert.Equal("ORDER_STATUS_FAILED", lines[^1].GetProperty("order").GetProperty("status").GetString());
    }

    [Fact]
    public async Task What_is_refused_is_one_line_on_standard_error_and_1()
    {
        var refused = await DoneAsync(1, "order", "place", User, "--item", $"{Product}:5");
        Assert.Empty(refused.Output);
        Assert.Matches(@"^FAILED_PRECONDITION: .*BALANCE_TOO_LOW.*\n$", refused.Error);
        Assert.StartsWith("NOT_FOUND", (await DoneAsync(1, "order", "show", Guid.CreateVersion7().ToString())).Error);
        Assert.StartsWith("INVALID_ARGUMENT", (await DoneAsync(1, "order", "show", "ORD-1")).Error);
        Assert.StartsWith("NOT_FOUND", (await DoneAsync(1, "dead-letters", "show", "0000")).Error);
    }

    [Fact]
    public async Task Goods_accounts_and_coupons_are_put_and_shown()
    {
        var product = $"chair-{run}";
        await DoneAsync(0, "product", "put", product, "--name", "Chair", "--price", "310000", "--pieces", "5");
        Assert.Equal("8", (await DoneAsync(0, "product", "adjust", product, "3", "--json")).Told("product", "available"));
        Assert.Contains("Chair", (await DoneAsync(0, "product", "list")).Output);
        await DoneAsync(0, "account", "put", $"sora-{run}", "--deposit", "500000");
        Assert.Equal("500000", (await DoneAsync(0, "account", "show", $"sora-{run}", "--json")).Told("account", "balance"));
        await DoneAsync(0, "coupon", "put", $"sora-{run}", "--id", $"spring-{run}", "--won-off", "3000");
        Assert.Equal("COUPON_STATUS_AVAILABLE", (await DoneAsync(0, "coupon", "show", $"spring-{run}", "--json")).Told("coupon", "status"));
        Assert.StartsWith("ALREADY_EXISTS", (await DoneAsync(1, "account", "open", $"sora-{run}")).Error);
    }

    [Fact]
    public async Task Dead_letters_are_listed_shown_rehearsed_redriven_and_discarded()
    {
        // A settlement without a claim: it fails again, in both who heard it. A failure of an order never heard of: it is handled.
        var (hopeless, late) = (Guid.CreateVersion7().ToString(), Guid.CreateVersion7().ToString());
        foreach (var service in (string[])["payments", "stock"])
        {
            await AddAsync($"{service}-dead-letters", hopeless, "OrderConfirmedEvent", "order-confirmed", $$"""{"orderId":"{{hopeless}}"}""");
        }
        await AddAsync("stock-dead-letters", late, "OrderFailedEvent", "order-failed",
            $$"""{"orderId":"{{late}}","userId":"u","items":[{"productId":"{{Product}}","quantity":2}],"reason":"CANCELLED"}""");
        var second = await KeptAsync("stock", late);
        foreach (var service in (string[])["payments", "stock"])
        {
            var first = await KeptAsync(service, hopeless);
            Assert.Contains(first, (await DoneAsync(0, "dead-letters", "list")).Output);
            Assert.Matches($@"service +{service}\b[^~]*order +{hopeless}", (await DoneAsync(0, "dead-letters", "show", first)).Output);
            Assert.Contains("It would fail again", (await DoneAsync(1, "dead-letters", "redrive", first, "--dry-run")).Output);
            Assert.Contains("It failed again", (await DoneAsync(1, "dead-letters", "redrive", first)).Output);
            await DoneAsync(0, "dead-letters", "discard", first);
            Assert.StartsWith("FAILED_PRECONDITION", (await DoneAsync(1, "dead-letters", "redrive", first)).Error);
        }

        Assert.Contains("says stock-released", (await DoneAsync(0, "dead-letters", "redrive", second, "--dry-run")).Output);
        Assert.Equal("DEAD_LETTER_STATE_REDRIVEN", (await DoneAsync(0, "dead-letters", "redrive", second, "--json")).Told("deadLetter", "state"));
        Assert.DoesNotContain(second, (await DoneAsync(0, "dead-letters", "list")).Output);
    }

    [Fact]
    public async Task A_load_says_how_many_were_placed_and_what_became_of_them()
    {
        var load = await DoneAsync(0, "load", "--count", "30", "--in-flight", "4", "--json");
        int Count(string of) => load.Json.GetProperty(of).GetProperty("count").GetInt32();
        Assert.Equal((30, 27), (Count("placed"), Count("confirmed")));
        var failed = load.Json.GetProperty("failed").EnumerateObject()
            .ToDictionary(reason => reason.Name, reason => reason.Value.GetProperty("count").GetInt32());
        Assert.Equal(new Dictionary<string, int> { ["BALANCE_TOO_LOW"] = 1, ["COUPON_EXPIRED"] = 1, ["OUT_OF_STOCK"] = 1 }, failed);
        var confirmed = load.Json.GetProperty("confirmed");
        Assert.InRange(confirmed.GetProperty("p50").GetDouble(), double.Epsilon, confirmed.GetProperty("p99").GetDouble());

        var shown = (await DoneAsync(0, "load", "--seconds", "1", "--in-flight", "2")).Output;
        Assert.Contains("100 %", shown);
        Assert.Matches(@"placed +\d+ +\d", shown);
        Assert.Matches(@"confirmed +\d+ +\d", shown);
    }

    [Fact]
    public async Task A_demo_goes_as_promised_and_the_audit_holds()
    {
        await DoneAsync(0, "wait");
        var scenarios = (await DoneAsync(0, "demo", "--json")).Json.EnumerateArray().ToArray();
        Assert.Equal(Shop.Scenario.All.Select(scenario => scenario.Name),
            scenarios.Select(scenario => scenario.GetProperty("name").GetString()));
        Assert.All(scenarios, scenario => Assert.True(scenario.GetProperty("holds").GetBoolean()));

        var audit = await DoneAsync(0, "audit", "--json");
        Assert.All(audit.Json.EnumerateArray(), invariant => Assert.True(invariant.GetProperty("holds").GetBoolean()));
        Assert.Equal(audit.Json.GetArrayLength(), (await DoneAsync(0, "audit")).Output.Split("holds  ").Length - 1);
    }

    [Fact]
    public async Task Who_cannot_be_reached_is_named_and_it_is_3()
    {
        var nowhere = $"http://localhost:{FreePort.Take()}";
        foreach (var words in (string[][])[["orders"], ["load"], ["explain", "x"], ["wait", "--timeout", "1"]])
        {
            var typed = await CliRun.WithoutAddressesAsync([.. words,
                .. new[] { "--orders", "--stock", "--payments", "--coupons" }.SelectMany(name => new[] { name, nowhere })]);
            Assert.Equal(3, typed.Exit);
            Assert.Contains(nowhere, typed.Error);
            Assert.Single(typed.Error.Trim().Split('\n'));
        }
    }

    private async Task<CliRun> DoneAsync(int exit, params string[] words)
    {
        var typed = await CliRun.AgainstAsync(shop, words);
        Assert.True(typed.Exit == exit, $"{string.Join(' ', words)}: {typed}");
        return typed;
    }

    private Task AddAsync(string topic, string order, string name, string first, string data) =>
        shop.Redis.ExecuteAsync("XADD", topic, "*", "data",
        $$"""{"data":{{data}},"datacontenttype":"application/json","id":"{{order}}/{{name}}","pubsubname":"pubsub","source":"orders","specversion":"1.0","time":"{{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}}","topic":"{{first}}","type":"shop.v1.{{name}}"}""");

    private async Task<string> KeptAsync(string service, string order)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var letters = (await Shop.DeadLetterList.ReadAsync(shop.Clients, default)).Letters;
            if (letters.FirstOrDefault(letter => (letter.AppId, letter.OrderId) == (service, order)) is { } kept) return kept.DeadLetterId;
            Assert.True(DateTime.UtcNow < until, $"The dead letter of {service} and order {order} is not among the {letters.Count}.");
        }
    }
}
