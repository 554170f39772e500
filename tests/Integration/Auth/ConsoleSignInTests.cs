using System.Net;
using System.Net.Http.Json;
using Integration.Console;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Integration.Auth;

/// <summary>The console with Auth:Mode jwt.</summary>
[Collection(nameof(OnAuth))]
public sealed class ConsoleSignInTests(AuthShop shop, Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private ConsoleProcess console = null!;

    public async Task InitializeAsync() => console = await ConsoleProcess.StartAsync(zipkin: null, shop.NamesFolder, new Dictionary<string, string>
    {
        ["DAPR_API_TOKEN"] = AuthShop.ApiToken,
        ["APP_API_TOKEN"] = AuthShop.AppToken,
        ["Auth__Mode"] = "jwt",
        ["Auth__Audience"] = TestIssuer.Audience,
        ["Auth__Issuer"] = shop.Issuer.Address,
        ["Auth__JwksFile"] = shop.Issuer.JwksFile,
    });

    public async Task DisposeAsync() => await console.DisposeAsync();

    [Fact]
    public async Task The_page_asks_for_the_token_of_an_operator_and_acts_with_it()
    {
        await using var watched = await browser.OpenAsync(console.Address, state: "does not answer");
        var page = watched.Page;
        var dialog = page.GetByRole(AriaRole.Dialog, new() { Name = "Sign in" });
        await Expect(dialog).ToBeVisibleAsync();
        foreach (var (token, problem) in ((string, string)[])[("garbage", "not a JWT"), (shop.Issuer.Issue("mina"), "'mina' is no operator")])
        {
            await dialog.GetByLabel("Token").FillAsync(token);
            await dialog.GetByRole(AriaRole.Button).ClickAsync();
            await Expect(dialog.GetByRole(AriaRole.Alert)).ToContainTextAsync(problem);
        }
        await watched.SaveScreenshotAsync("sign-in");
        await dialog.GetByLabel("Token").FillAsync(shop.Issuer.Issue("ops", isOperator: true));
        await dialog.GetByRole(AriaRole.Button).ClickAsync();
        await Expect(page.Locator("#link-state")).ToHaveTextAsync("Live");
        await Expect(dialog).ToBeHiddenAsync();
        // Calls all four services.
        await page.GetByRole(AriaRole.Button, new() { Name = "Place order" }).ClickAsync();
        await Expect(page.Locator("#order-status")).ToHaveTextAsync("CONFIRMED");
        await page.GotoAsync("/#/dead-letters");
        await Expect(page.Locator("#letters")).Not.ToContainTextAsync("may not");

        var cookie = Assert.Single(await page.Context.CookiesAsync());
        // A cookie is sent to all ports of the host, but not to other paths.
        Assert.Equal((true, SameSiteAttribute.Strict, "/api/console"), (cookie.HttpOnly, cookie.SameSite, cookie.Path));
        Assert.Empty(watched.Problems);
    }

    [Fact]
    public async Task Nothing_but_the_page_is_answered_without_the_token_of_an_operator()
    {
        using var http = new HttpClient { BaseAddress = new(console.Address) };
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/")).StatusCode);
        string[] paths = ["settings", "orders", $"orders/{Guid.CreateVersion7()}", "dead-letters", "events"];
        foreach (var path in paths) Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync($"/api/console/{path}")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.PostAsJsonAsync("/api/console/orders", new { quantity = 1 })).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.PostAsJsonAsync("/api/console/session", new { })).StatusCode);
        http.DefaultRequestHeaders.Authorization = new("Bearer", shop.Issuer.Issue("mina"));
        Assert.Equal(HttpStatusCode.Forbidden, (await http.GetAsync("/api/console/orders")).StatusCode);
        http.DefaultRequestHeaders.Authorization = new("Bearer", shop.Issuer.Issue("ops", isOperator: true));
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/api/console/orders")).StatusCode);
    }

    [Fact]
    public async Task A_token_that_no_cookie_can_hold_is_refused_with_the_reason()
    {
        using var http = new HttpClient { BaseAddress = new(console.Address) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", shop.Issuer.Issue("ops", isOperator: true, token => token.Claims["groups"] = new string('g', 4_000)));
        var answer = await http.PostAsJsonAsync("/api/console/session", new { });
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("TOKEN_TOO_LONG", await answer.Content.ReadAsStringAsync());
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }
}
