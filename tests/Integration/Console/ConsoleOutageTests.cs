using Integration.Chaos;
using Microsoft.Playwright;
using Shop.V1;
using static Microsoft.Playwright.Assertions;

namespace Integration.Console;

/// <summary>The console while a service is down.</summary>
[Collection(nameof(OnSupervised))]
public sealed class ConsoleOutageTests(SupervisedShop supervised, Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task It_shows_what_an_order_waits_for_and_reconnects_after_a_restart_of_Orders()
    {
        var shop = supervised.Processes;
        await shop.WaitUntilReadyAsync();
        using var metrics = new HttpClient { BaseAddress = new(shop.OrdersHttp) };
        await WaitForOpenOrdersAsync(metrics, 0);
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = "lamp", Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = "mina", InitialDeposit = 100_000 });
        await using var console = await ConsoleProcess.StartAsync(zipkin: "", shop.NamesFolder);
        await using var watched = await browser.OpenAsync(console.Address);
        var page = watched.Page;
        var payments = supervised.Payments.Now;

        payments.Signal("STOP");
        string order;
        try
        {
            var placed = await shop.Clients.Orders.PlaceOrderAsync(
                new() { UserId = "mina", Items = { new OrderItem { ProductId = "lamp", Quantity = 2 } }, RecipientName = "Mina", SkipPrecheck = true });
            order = placed.Order.OrderNumber;
            await page.GetByRole(AriaRole.Link, new() { Name = order }).ClickAsync();
            await Expect(page.Locator("#order-status")).ToHaveTextAsync("PENDING");
            await Expect(page.Locator("#outlook li")).ToHaveCountAsync(1);
            await Expect(page.Locator("#outlook li")).ToContainTextAsync("Payments has answered neither payment-completed nor payment-failed, since");
            await Expect(page.Locator("#outlook")).ToContainTextAsync("the order fails with reason DEADLINE");
            await Expect(page.Locator(".timeline .awaited.at-Payments")).ToContainTextAsync("waiting for payment-completed");
            await Expect(page.Locator("#trace")).ToHaveCountAsync(0);
            await WaitForOpenOrdersAsync(metrics, 1);
            await watched.SaveScreenshotAsync("desktop-light-waiting");
        }
        finally
        {
            payments.Signal("CONT");
        }
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("CONFIRMED");
        await WaitForOpenOrdersAsync(metrics, 0);

        await supervised.Orders.KillAsync(TimeSpan.Zero, async () =>
        {
            await Expect(page.Locator("#link-state")).ToContainTextAsync("Orders does not answer");
            await watched.SaveScreenshotAsync("desktop-light-lost");
            await page.GetByRole(AriaRole.Button, new() { Name = "Place order" }).ClickAsync();
            await Expect(page.Locator("#demo-problem")).ToContainTextAsync("did not answer");
        });
        await Expect(page.Locator("#link-state")).ToHaveTextAsync("Live");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = order })).ToBeVisibleAsync();

        await shop.Clients.WaitUntilReadyAsync(TimeSpan.FromSeconds(90), default);
        await page.GetByRole(AriaRole.Button, new() { Name = "Place order" }).ClickAsync();
        await Expect(page.Locator("#order h2")).Not.ToHaveTextAsync(order);
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("CONFIRMED");
        Assert.DoesNotContain("Mina", await page.ContentAsync());
    }

    /// <summary>Waits until the metrics report the expected number of open orders.</summary>
    private static async Task WaitForOpenOrdersAsync(HttpClient orders, int expected)
    {
        for (var until = DateTime.UtcNow + SupervisedShop.Deadline; ; await Task.Delay(50))
        {
            var seen = PrometheusText.Parse(await orders.GetStringAsync("/metrics"));
            var (open, age) = (seen["saga_orders_open"].Samples.Single().Value, seen["saga_orders_open_age_seconds"].Samples.Single().Value);
            if (open == expected && age > 0 == expected > 0) return;
            Assert.True(DateTime.UtcNow < until, $"{open} orders are open, the oldest for {age} s, not {expected}.");
        }
    }
}
