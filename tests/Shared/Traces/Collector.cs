using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Traces;

/// <summary>A span as received by a collector.</summary>
/// <param name="ParentId">Null: root span.</param>
/// <param name="Kind">Null: internal.</param>
/// <param name="Peer">The remote service; null: none.</param>
internal sealed record Span(
    string TraceId, string? ParentId, string Id, string Name, string? Kind, string Service, string? Peer, IReadOnlyDictionary<string, string> Tags)
{
    /// <summary>The name of the instrumentation scope.</summary>
    public string Scope => Tags.GetValueOrDefault("otel.scope.name", "");

    public static Span Read(JsonElement span) => new(
        span.GetProperty("traceId").GetString()!, Text(span, "parentId"), span.GetProperty("id").GetString()!, span.GetProperty("name").GetString()!,
        Text(span, "kind"), span.GetProperty("localEndpoint").GetProperty("serviceName").GetString()!,
        span.TryGetProperty("remoteEndpoint", out var peer) ? peer.GetProperty("serviceName").GetString() : null,
        // otel.library is the old name of otel.scope; exporters send both.
        span.GetProperty("tags").EnumerateObject()
            .Where(tag => !tag.Name.StartsWith("otel.library.", StringComparison.Ordinal))
            .ToDictionary(tag => tag.Name, tag => tag.Value.GetString()!));

    private static string? Text(JsonElement span, string name) => span.TryGetProperty(name, out var value) ? value.GetString() : null;
}

/// <summary>A Zipkin collector that keeps the spans. Data that Zipkin would reject is recorded as a problem.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private static readonly TimeSpan WaitTimeout = TimeSpan.FromSeconds(60);

    private readonly WebApplication app;
    private readonly List<Span> spans = [];
    private readonly List<string> problems = [];
    private TaskCompletionSource more = NewSignal();

    private Collector(WebApplication app) => this.app = app;

    public Uri Endpoint => new($"{app.Urls.First()}/api/v2/spans");

    /// <summary>The status code of responses; 202 by default.</summary>
    public Func<Task<int>> Answer { get; set; } = () => Task.FromResult(StatusCodes.Status202Accepted);

    public IReadOnlyList<Span> Spans
    {
        get
        {
            lock (spans) return [.. spans];
        }
    }

    public IReadOnlyList<string> Problems
    {
        get
        {
            lock (spans) return [.. problems];
        }
    }

    public static async Task<Collector> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Services.AddLogging(logging => logging.ClearProviders());
        var app = builder.Build();
        var collector = new Collector(app);
        app.UseRouting();
        app.MapPost("/api/v2/spans", collector.TakeAsync);
        await app.StartAsync();
        return collector;
    }

    /// <summary>Waits until the received spans satisfy <paramref name="complete"/>.</summary>
    public async Task<IReadOnlyList<Span>> UntilAsync(Func<IReadOnlyList<Span>, bool> complete)
    {
        using var limit = new CancellationTokenSource(WaitTimeout);
        while (true)
        {
            Task next;
            IReadOnlyList<Span> come;
            lock (spans) (come, next) = ([.. spans], more.Task);
            if (complete(come)) return come;
            try
            {
                await next.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                var names = string.Join('\n', come.Select(span => $"{span.Service} {span.Name}").Order());
                throw new TimeoutException($"Expected spans did not arrive. The {come.Count} received:\n{names}");
            }
        }
    }

    /// <summary>Adds spans and problems.</summary>
    public void Take(IEnumerable<Span> come, params IReadOnlyList<string> wrong)
    {
        lock (spans)
        {
            problems.AddRange(wrong);
            spans.AddRange(come);
            more.SetResult();
            more = NewSignal();
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext http)
    {
        using var body = await JsonDocument.ParseAsync(http.Request.Body, cancellationToken: http.RequestAborted);
        var wrong = ZipkinSchema.ProblemsOf(body.RootElement);
        if (http.Request.GetTypedHeaders().ContentType is not { MediaType.Value: "application/json" })
        {
            wrong = [.. wrong, $"content type {http.Request.ContentType}"];
        }
        Take(wrong.Count == 0 ? body.RootElement.EnumerateArray().Select(Span.Read) : [], wrong);
        http.Response.StatusCode = await Answer();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
