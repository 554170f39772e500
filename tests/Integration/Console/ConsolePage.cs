using Microsoft.Playwright;

namespace Integration.Console;

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
        page.Console += (_, message) =>
            Note(message.Type != "error" || message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal), message.Text);
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
