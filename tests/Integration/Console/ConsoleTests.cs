using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Shop;
using Shop.V1;
using static Microsoft.Playwright.Assertions;

namespace Integration.Console;

/// <summary>The console in a browser.</summary>
[Collection(nameof(OnRedis))]
public sealed class ConsoleTests(RunningShop shop, RunningConsole console, Browser browser) : IClassFixture<RunningConsole>, IClassFixture<Browser>
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    [Fact]
    public async Task An_order_placed_in_the_form_is_shown_until_it_is_CONFIRMED()
    {
        await using var watched = await OpenAsync();
        var page = watched.Page;
        await page.GetByLabel("Quantity").FillAsync("3");
        await page.GetByRole(AriaRole.Button, new() { Name = "Place order" }).ClickAsync();

        await Expect(page.Locator("#order-status")).ToHaveTextAsync("CONFIRMED");
        var timeline = page.GetByRole(AriaRole.List, new() { Name = "Timeline" });
        await Expect(timeline.GetByRole(AriaRole.Listitem)).ToHaveCountAsync(5);
        foreach (var (lane, eventName) in new[]
        {
            ("Orders", "order-created"), ("Stock", "stock-reserved"), ("Payments", "payment-completed"), ("Coupons", "coupon-used"),
            ("Orders", "order-confirmed"),
        })
        {
            await Expect(timeline.Locator($".at-{lane}", new() { HasText = eventName }).Locator(".after")).ToHaveTextAsync(new Regex(@"^\+\d"));
        }
        await Expect(page.Locator("#outlook")).ToContainTextAsync("it is confirmed");
        await Expect(page.Locator("#order")).ToContainTextAsync("27,000 won (30,000 won less 3,000 won)");
        await Expect(page.Locator("#trace")).ToHaveAttributeAsync("href", new Regex("^http://localhost:9411/zipkin/traces/[0-9a-f]{32}$"));
        var number = await page.Locator("#order h2").InnerTextAsync();
        await Expect(page.Locator("#orders a[aria-current]")).ToContainTextAsync(number);
        await Expect(page.Locator("#orders a[aria-current] .badge")).ToHaveTextAsync("CONFIRMED");
        await Expect(page.Locator("#plots svg").First).ToHaveAttributeAsync("aria-label", new Regex("^Throughput: placed "));
        await Expect(page.Locator("#plots svg").Nth(1)).ToHaveAttributeAsync("aria-label", new Regex(@"^Latency: p50 \d.* p99 \d"));
        await watched.SaveScreenshotAsync("desktop-light-confirmed");
        Assert.Empty(watched.Problems);
    }

    [Theory]
    [InlineData("Out of stock", "OUT_OF_STOCK", "stock-reservation-failed")]
    [InlineData("Balance too low", "BALANCE_TOO_LOW", "payment-failed")]
    [InlineData("Coupon refused", "COUPON_EXPIRED", "coupon-usage-failed")]
    public async Task A_failing_scenario_shows_its_compensations(string button, string reason, string refusal)
    {
        await using var watched = await OpenAsync(button == "Balance too low" ? ColorScheme.Dark : ColorScheme.Light);
        var page = watched.Page;
        await page.GetByRole(AriaRole.Button, new() { Name = button }).ClickAsync();

        await Expect(page.Locator("#order-status")).ToHaveTextAsync("FAILED");
        await Expect(page.Locator("#outlook")).ToContainTextAsync("every participant has compensated");
        await Expect(page.Locator("#order .reason")).ToContainTextAsync(reason);
        var timeline = page.GetByRole(AriaRole.List, new() { Name = "Timeline" });
        await Expect(timeline.Locator(".bad", new() { HasText = refusal })).ToBeVisibleAsync();
        foreach (var (lane, eventName) in new[] { ("Stock", "stock-released"), ("Payments", "payment-refunded"), ("Coupons", "coupon-restored") })
        {
            var undone = timeline.Locator($".undone.at-{lane}", new() { HasText = eventName });
            await Expect(undone.GetByText("compensation", new() { Exact = true })).ToBeVisibleAsync();
        }
        // The participant that refused had nothing to undo.
        Assert.Contains("had nothing to undo", await timeline.InnerTextAsync());
        await Expect(page.Locator("#orders a[aria-current]")).ToContainTextAsync($"{reason} · undone");
        await watched.SaveScreenshotAsync($"desktop-{(button == "Balance too low" ? "dark" : "light")}-{button.ToLowerInvariant().Replace(' ', '-')}");
        Assert.Empty(watched.Problems);
    }

    [Fact]
    public async Task A_click_opens_the_order_that_was_under_the_mouse_when_it_began()
    {
        await using var watched = await OpenAsync();
        var page = watched.Page;
        var place = page.GetByRole(AriaRole.Button, new() { Name = "Place order" });
        await place.ClickAsync();
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("CONFIRMED");
        var order = (await page.Locator("#order h2").TextContentAsync())!;
        await page.GotoAsync("/#/");
        var link = page.GetByRole(AriaRole.Link, new() { Name = order });
        await link.HoverAsync();
        await page.Mouse.DownAsync();
        // Its row moves down, and the one above it is new.
        await page.EvaluateAsync("""
            async () => {
              const placed = (await (await fetch('/api/console/orders', {
                method: 'POST', headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ quantity: 1, balance: 100000, coupon: 'VALID', skipPrecheck: false }),
              })).json()).order;
              while (!(await (await fetch(`/api/console/orders/${placed.orderId}`)).json()).order.isClosed);
            }
            """);
        await page.Mouse.UpAsync();
        await Expect(page.Locator("#order h2")).ToHaveTextAsync(order);
    }

    [Fact]
    public async Task An_address_with_an_id_that_is_no_encoding_shows_the_page()
    {
        await using var watched = await browser.OpenAsync(console.Address, "#/orders/50%");
        await Expect(watched.Page.GetByLabel("Quantity")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task An_order_that_cannot_succeed_is_refused_with_the_reason()
    {
        await using var watched = await OpenAsync();
        await watched.Page.GetByLabel("Quantity").FillAsync("11");
        await watched.Page.GetByRole(AriaRole.Button, new() { Name = "Place order" }).ClickAsync();
        await Expect(watched.Page.Locator("#demo-problem")).ToContainTextAsync("11 of product");
    }

    [Fact]
    public async Task Orders_are_found_by_number_and_id_and_filtered_by_status()
    {
        var (good, bad) = (await PlaceAsync(quantity: 1), await PlaceAsync(quantity: 11));
        await using var watched = await OpenAsync();
        var page = watched.Page;
        var list = page.GetByRole(AriaRole.List, new() { Name = "Orders, newest first" });
        ILocator Row(Order order) => list.Locator($"[data-id='{order.OrderId}']");
        await Expect(Row(good)).ToBeVisibleAsync();
        await Expect(Row(bad)).ToBeVisibleAsync();

        var search = page.GetByRole(AriaRole.Searchbox, new() { Name = "Order number or id" });
        await search.FillAsync(good.OrderNumber.ToLowerInvariant());
        await Expect(list.GetByRole(AriaRole.Listitem)).ToHaveCountAsync(1);
        await Expect(Row(good)).ToBeVisibleAsync();
        await search.PressAsync("Enter");
        await Expect(page.Locator("#order h2")).ToHaveTextAsync(good.OrderNumber);
        await search.FillAsync(bad.OrderId);
        await search.PressAsync("Enter");
        await Expect(page.Locator("#order h2")).ToHaveTextAsync(bad.OrderNumber);

        await search.FillAsync($"{good.OrderNumber[..^1]}{(good.OrderNumber[^1] == '0' ? '1' : '0')}");
        await search.PressAsync("Enter");
        await Expect(page.Locator("#list-problem")).ToContainTextAsync("one character is mistyped");
        await search.FillAsync("");

        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Failed" }).CheckAsync();
        await Expect(Row(bad)).ToBeVisibleAsync();
        await Expect(Row(good)).ToHaveCountAsync(0);
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Failed" }).UncheckAsync();
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Confirmed" }).CheckAsync();
        await Expect(Row(good)).ToBeVisibleAsync();
        await Expect(Row(bad)).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_list_that_is_loading_is_not_shown_as_empty()
    {
        await using var watched = await OpenAsync();
        var page = watched.Page;
        TaskCompletionSource answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await page.RouteAsync(new Regex("/api/console/orders\\?.*status=PENDING"), async route =>
        {
            await answered.Task;
            await route.ContinueAsync();
        });
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Pending" }).CheckAsync();
        await Expect(page.Locator("#list-empty")).ToHaveTextAsync("Reading the orders…");
        answered.SetResult();
        await Expect(page.Locator("#list-empty")).ToHaveTextAsync("No order has this status now.");
        Assert.Empty(watched.Problems);
    }

    [Fact]
    public async Task The_list_is_operated_by_keyboard()
    {
        var (older, newer) = (await PlaceAsync(quantity: 1), await PlaceAsync(quantity: 1));
        await using var watched = await OpenAsync();
        var page = watched.Page;
        await Expect(page.Locator($"[data-id='{older.OrderId}']")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Searchbox).FocusAsync();
        await page.Keyboard.PressAsync("ArrowDown");
        await Expect(page.Locator("#orders li").First.Locator("a")).ToBeFocusedAsync();
        var link = page.Locator($"[data-id='{newer.OrderId}'] a");
        while (!await link.EvaluateAsync<bool>("link => link === document.activeElement")) await page.Keyboard.PressAsync("ArrowDown");
        await page.Keyboard.PressAsync("ArrowDown");
        await Expect(page.Locator($"[data-id='{older.OrderId}'] a")).ToBeFocusedAsync();
        Assert.NotEqual("none", await page.EvaluateAsync<string>("getComputedStyle(document.activeElement).outlineStyle"));
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#order h2")).ToHaveTextAsync(older.OrderNumber);
        await Expect(page.Locator("#order")).ToBeFocusedAsync();
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task It_fits_into_a_narrow_window_in_both_color_schemes(ColorScheme scheme)
    {
        await using var watched = await browser.OpenAsync(console.Address, width: 360, scheme: scheme);
        var page = watched.Page;
        await Expect(page.Locator("#order")).ToBeHiddenAsync();
        await FitsAsync(page);
        await watched.SaveScreenshotAsync($"narrow-{scheme}-list".ToLowerInvariant());
        await page.GetByRole(AriaRole.Button, new() { Name = "Out of stock" }).ClickAsync();
        await Expect(page.Locator("#outlook.closed")).ToBeVisibleAsync();
        await Expect(page.Locator("#orders")).ToBeHiddenAsync();
        await FitsAsync(page);
        await watched.SaveScreenshotAsync($"narrow-{scheme}-order".ToLowerInvariant());
        await page.GetByRole(AriaRole.Link, new() { Name = "All orders" }).ClickAsync();
        await Expect(page.Locator("#orders")).ToBeVisibleAsync();

        var dark = await page.EvaluateAsync<bool>("parseInt(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0]) < 128");
        Assert.Equal(scheme == ColorScheme.Dark, dark);
    }

    [Fact]
    public async Task All_controls_have_accessible_names()
    {
        await using var watched = await OpenAsync();
        await watched.Page.GetByRole(AriaRole.Button, new() { Name = "Out of stock" }).ClickAsync();
        await Expect(watched.Page.Locator("#outlook.closed")).ToBeVisibleAsync();
        var nameless = await watched.Page.EvaluateAsync<string[]>("""
            () => [...document.querySelectorAll('a, button, input, select, [role=img]')]
              .filter(one => !(one.textContent.trim() || one.getAttribute('aria-label') || [...(one.labels ?? [])].some(label => label.textContent.trim())))
              .map(one => one.outerHTML)
            """);
        Assert.Empty(nameless);
    }

    [Fact]
    public async Task A_dead_letter_is_redriven_after_a_dry_run_and_another_is_discarded()
    {
        var (product, order) = ($"p-{run}", Guid.CreateVersion7().ToString());
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        await AddAsync("order-created", Envelope(order, "OrderCreatedEvent", "order-created",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000"}"""));
        // Orders rejects the answer of Stock about an order that it does not know.
        await WaitForLetterAsync(letter => letter.OrderId == order && letter.Topic == "stock-reserved");
        await AddAsync("stock-dead-letters", Envelope(order, "OrderFailedEvent", "order-failed",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000","reason":"CANCELLED"}"""));
        await AddAsync("coupons-dead-letters", $"rubbish {run}");
        var letter = await WaitForLetterAsync(letter => letter.OrderId == order && letter.AppId == "stock");
        var rubbish = await WaitForLetterAsync(letter => letter.Problem.Contains($"rubbish {run}"));

        await using var watched = await OpenAsync();
        var page = watched.Page;
        await Expect(page.Locator("#letters-count")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Dead letters" }).ClickAsync();
        var card = page.Locator($".letter[data-id='{letter.DeadLetterId}']");
        await Expect(card).ToContainTextAsync("order-failed");
        await card.GetByText("Dry run").ClickAsync();
        await Expect(card.Locator(".effects")).ToContainTextAsync("holdings.available 3 → 5");
        await watched.SaveScreenshotAsync("desktop-light-dead-letters");
        Assert.Equal(new StockLevel(Available: 3, Held: 2), StockLevel.From(await ProductAsync(product)));
        await card.GetByText("Redrive").ClickAsync();
        await Expect(card).ToContainTextAsync("Redriven: stock has handled it.");
        Assert.Equal(new StockLevel(Available: 5, Held: 0), StockLevel.From(await ProductAsync(product)));

        var other = page.Locator($".letter[data-id='{rubbish.DeadLetterId}']");
        await Expect(other.GetByText("Redrive")).ToHaveCountAsync(0);
        await other.GetByText("Discard").ClickAsync();
        await Expect(other).ToContainTextAsync("Discarded.");
        await page.GetByText("Look again").ClickAsync();
        await Expect(card).ToHaveCountAsync(0);
        await Expect(other).ToHaveCountAsync(0);
        Assert.Empty(watched.Problems);
    }

    private Task<ConsolePage> OpenAsync(ColorScheme scheme = ColorScheme.Light) => browser.OpenAsync(console.Address, scheme: scheme);

    private static async Task FitsAsync(IPage page) => Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));

    /// <summary>Places an order and waits until it is closed: CONFIRMED, or FAILED with more than 10 pieces.</summary>
    private async Task<Order> PlaceAsync(int quantity)
    {
        var id = $"{run}-{Guid.CreateVersion7().ToString("N")[^8..]}";
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = id, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = id, InitialDeposit = 100_000 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(
            new() { UserId = id, Items = { new OrderItem { ProductId = id, Quantity = quantity } }, SkipPrecheck = true });
        using var watch = shop.Clients.Orders.WatchOrder(new() { Order = placed.Order.OrderId });
        while (await watch.ResponseStream.MoveNext(default))
        {
        }
        return placed.Order;
    }

    private async Task<Product> ProductAsync(string id) => (await shop.Clients.Stock.GetProductAsync(new() { ProductId = id })).Product;

    private Task AddAsync(string topic, string message) => shop.Redis.ExecuteAsync("XADD", topic, "*", "data", message);

    private async Task<DeadLetter> WaitForLetterAsync(Func<DeadLetter, bool> which)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var letters = (await DeadLetterList.ReadAsync(shop.Clients, default)).Letters;
            if (letters.FirstOrDefault(which) is { } letter) return letter;
            Assert.True(DateTime.UtcNow < until, $"The dead letter is not among the {letters.Count} dead letters.");
        }
    }

    private static string Envelope(string order, string name, string topic, string data) => $$"""
        {"data":{{data}},"datacontenttype":"application/json","id":"{{order}}/{{name}}","pubsubname":"pubsub","source":"orders",
        "specversion":"1.0","time":"{{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}}","topic":"{{topic}}","type":"shop.v1.{{name}}"}
        """;
}
