using Microsoft.Playwright;

namespace Integration.Console;

/// <summary>The headless Chromium of this machine.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Program = "/usr/bin/chromium";

    // Long, because the machine may be busy.
    private const float TimeoutMilliseconds = 20_000;

    private IPlaywright? playwright;
    private IBrowser? chromium;

    public async Task InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(TimeoutMilliseconds);
        playwright = await Playwright.CreateAsync();
        chromium = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Program, Args = ["--disable-dev-shm-usage"] });
    }

    public async Task DisposeAsync()
    {
        if (chromium is not null) await chromium.DisposeAsync();
        playwright?.Dispose();
    }

    /// <summary>Opens the console in a new browser context.</summary>
    internal async Task<ConsolePage> OpenAsync(string address, string path = "", int width = 1440, ColorScheme scheme = ColorScheme.Light)
    {
        var context = await chromium!.NewContextAsync(new() { BaseURL = address, ViewportSize = new() { Width = width, Height = 1000 }, ColorScheme = scheme });
        context.SetDefaultTimeout(TimeoutMilliseconds);
        var page = await context.NewPageAsync();
        var opened = new ConsolePage(context, page, new Uri(address));
        await page.GotoAsync($"/console/{path}");
        await Assertions.Expect(page.Locator("#link-state")).ToHaveTextAsync("Live");
        return opened;
    }
}

/// <summary>A page whose errors and requests to other hosts are recorded.</summary>
internal sealed class ConsolePage : IAsyncDisposable
{
    private readonly IBrowserContext context;
    private readonly List<string> problems = [];

    public ConsolePage(IBrowserContext context, IPage page, Uri home)
    {
        (this.context, Page) = (context, page);
        page.Request += (_, request) => Note(new Uri(request.Url).Authority == home.Authority, $"requested {request.Url}");
        page.PageError += (_, error) => Note(false, error);
        page.Console += (_, message) => Note(message.Type != "error" || message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal), message.Text);
    }

    public IPage Page { get; }

    public IReadOnlyList<string> Problems
    {
        get
        {
            lock (problems) return [.. problems];
        }
    }

    /// <summary>Saves a screenshot in artifacts/console.</summary>
    public Task SaveScreenshotAsync(string name) =>
        Page.ScreenshotAsync(new() { Path = Path.Combine(RunningShop.Root, "artifacts", "console", $"{name}.png"), FullPage = true });

    public async ValueTask DisposeAsync() => await context.DisposeAsync();

    private void Note(bool expected, string what)
    {
        if (expected) return;
        lock (problems) problems.Add(what);
    }
}
