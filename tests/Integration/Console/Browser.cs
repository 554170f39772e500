using Microsoft.Playwright;

namespace Integration.Console;

/// <summary>The Chromium of this machine, without a window. Started when the first page is opened.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Program = "/usr/bin/chromium";

    // The whole machine may be busy.
    private const float PatienceMilliseconds = 20_000;

    private IPlaywright? playwright;
    private IBrowser? chromium;

    public async Task InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(PatienceMilliseconds);
        playwright = await Playwright.CreateAsync();
        chromium = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Program, Args = ["--disable-dev-shm-usage"] });
    }

    public async Task DisposeAsync()
    {
        if (chromium is not null) await chromium.DisposeAsync();
        playwright?.Dispose();
    }

    /// <summary>A console in a browser of its own.</summary>
    internal async Task<Watched> OpenAsync(string address, string path = "", int width = 1440, ColorScheme scheme = ColorScheme.Light)
    {
        var context = await chromium!.NewContextAsync(new() { BaseURL = address, ViewportSize = new() { Width = width, Height = 1000 }, ColorScheme = scheme });
        context.SetDefaultTimeout(PatienceMilliseconds);
        var page = await context.NewPageAsync();
        var watched = new Watched(context, page, new Uri(address));
        await page.GotoAsync($"/{path}");
        await Assertions.Expect(page.Locator("#link-state")).ToHaveTextAsync("Live");
        return watched;
    }
}

/// <summary>A page, and whether it minded its manners: what it asked of others, and what went wrong in it.</summary>
internal sealed class Watched : IAsyncDisposable
{
    private readonly IBrowserContext context;
    private readonly List<string> complaints = [];

    public Watched(IBrowserContext context, IPage page, Uri home)
    {
        (this.context, Page) = (context, page);
        page.Request += (_, request) => Note(new Uri(request.Url).Authority == home.Authority, $"asked {request.Url}");
        page.PageError += (_, error) => Note(false, error);
        page.Console += (_, said) => Note(said.Type != "error" || said.Text.StartsWith("Failed to load resource", StringComparison.Ordinal), said.Text);
    }

    public IPage Page { get; }

    public IReadOnlyList<string> Complaints
    {
        get
        {
            lock (complaints) return [.. complaints];
        }
    }

    /// <summary>A picture of the page for people, in artifacts/console.</summary>
    public Task PictureAsync(string name) =>
        Page.ScreenshotAsync(new() { Path = Path.Combine(RunningShop.Root, "artifacts", "console", $"{name}.png"), FullPage = true });

    public async ValueTask DisposeAsync() => await context.DisposeAsync();

    private void Note(bool good, string what)
    {
        if (good) return;
        lock (complaints) complaints.Add(what);
    }
}
