using Microsoft.Playwright;

namespace Integration.Console;

/// <summary>The headless Chromium of this machine.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Program = "/usr/bin/chromium";

    // Long, because the machine may be busy.
    private const float TimeoutMilliseconds = 60_000;

    private IPlaywright? playwright;
    private IBrowser? chromium;

    public async Task InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(TimeoutMilliseconds);
        playwright = await Playwright.CreateAsync();
        chromium = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Program, Args = ["--disable-dev-shm-usage"], Timeout = 2 * TimeoutMilliseconds });
    }

    public async Task DisposeAsync()
    {
        if (chromium is not null) await chromium.DisposeAsync();
        playwright?.Dispose();
    }

    /// <summary>Opens the console in a new browser context.</summary>
    /// <param name="state">What is waited for: the state of the link to Orders.</param>
    internal async Task<ConsolePage> OpenAsync(
        string address, string path = "", int width = 1440, ColorScheme scheme = ColorScheme.Light, string state = "Live")
    {
        var context = await chromium!.NewContextAsync(new() { BaseURL = address, ViewportSize = new() { Width = width, Height = 1000 }, ColorScheme = scheme });
        context.SetDefaultTimeout(TimeoutMilliseconds);
        var page = await context.NewPageAsync();
        var opened = new ConsolePage(context, page, new Uri(address));
        await page.GotoAsync($"/{path}");
        await Assertions.Expect(page.Locator("#link-state")).ToContainTextAsync(state);
        return opened;
    }
}
