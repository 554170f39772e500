using System.Collections.Frozen;
using System.Text.Json;
using Google.Protobuf;
using Wire = Shop.V1;

namespace Orders.Console;

/// <summary>What the page needs to know.</summary>
/// <param name="Zipkin">Where traces are shown, such as http://localhost:9411. Null: nowhere.</param>
internal sealed record Settings(string? Zipkin);

/// <summary>The console: a page, and the JSON it asks for. The answers are those of the gRPC services, in the JSON form of their messages.</summary>
internal static class ConsoleHttp
{
    /// <summary>Everything comes from here, and no other site may frame it.</summary>
    private const string ContentSecurity = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    private static readonly FrozenDictionary<string, string> TypeByEnding = new Dictionary<string, string>
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    }.ToFrozenDictionary();

    public static void AddConsole(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<DemoOrders>();
        services.AddSingleton<DeadLetterDesk>();
        services.AddSingleton<LookOn>();
        services.AddSingleton<Pulse>();
        services.AddHostedService(provider => provider.GetRequiredService<Pulse>());
        var exporters = Exporters.OfTraces(builder.Configuration).Names;
        var zipkin = builder.Configuration["Console:Zipkin"] ?? (exporters.Contains(Exporters.Zipkin) ? "http://localhost:9411" : "");
        services.AddSingleton(new Settings(exporters.Count > 0 && zipkin.Length > 0 ? zipkin : null));
    }

    public static void MapConsole(this WebApplication app)
    {
        var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Console", "page")).ToFrozenDictionary(path => Path.GetFileName(path)!);
        app.MapGet("/", () => TypedResults.Redirect("/console/"));
        app.MapGet("/console/{file?}", (HttpResponse response, string file = "index.html") => FileOf(files, response, file));

        var api = app.MapGroup("/api/console").AddEndpointFilter(SameOrigin.OnlyAsync);
        api.MapGet("/settings", (Settings settings) => TypedResults.Json(settings, ConsoleJson.Default.Settings));
        api.MapGet("/events", (LookOn look, CancellationToken aborted) => TypedResults.ServerSentEvents(look.AtAllAsync(aborted)));
        api.MapGet("/orders", ListAsync);
        api.MapPost("/orders", PlaceAsync);
        api.MapGet("/orders/{order}", ExplainAsync);
        api.MapGet("/orders/{order}/events", WatchAsync);
        api.MapGet("/dead-letters", DeadLettersAsync);
        api.MapPost("/dead-letters/{appId}/{id}/rehearse", (string appId, string id, DeadLetterDesk desk, CancellationToken ct) =>
            AnswerAsync(async () => await desk.RedriveAsync(appId, id, dryRun: true, ct)));
        api.MapPost("/dead-letters/{appId}/{id}/redrive", (string appId, string id, DeadLetterDesk desk, CancellationToken ct) =>
            AnswerAsync(async () => await desk.RedriveAsync(appId, id, dryRun: false, ct)));
        api.MapPost("/dead-letters/{appId}/{id}/discard", (string appId, string id, DeadLetterDesk desk, CancellationToken ct) =>
            AnswerAsync(async () => await desk.DiscardAsync(appId, id, ct)));
    }

    private static IResult FileOf(FrozenDictionary<string, string> files, HttpResponse response, string name)
    {
        if (!files.TryGetValue(name, out var path)) return ProblemDetails.Create(StatusCodes.Status404NotFound, "NOT_FOUND", $"The console has no file '{name}'.");
        response.Headers.ContentSecurityPolicy = ContentSecurity;
        response.Headers.XContentTypeOptions = "nosniff";
        // Asked about each time: a page and a server of two versions do not understand each other.
        response.Headers.CacheControl = "no-cache";
        return TypedResults.PhysicalFile(path, TypeByEnding[Path.GetExtension(name)], lastModified: File.GetLastWriteTimeUtc(path));
    }

    /// <param name="status">Orders in one of these, such as PENDING. None: all.</param>
    private static Task<IResult> ListAsync(
        OrderListing list, CancellationToken ct, string[] status, int pageSize = 0, string pageToken = "") => AnswerAsync(async () =>
    {
        PageCursor place = default;
        Wire.OrderStatus[] statuses =
            [.. status.Select(name => Enum.TryParse<Wire.OrderStatus>(name, ignoreCase: true, out var known) ? known : Wire.OrderStatus.Unspecified)];
        new RequestCheck()
            .Page(pageSize, "")
            .Must(PageCursor.TryParse(pageToken, out place), "pageToken", $"'{pageToken}' is not a token of an answer before.")
            .Must(!statuses.Contains(Wire.OrderStatus.Unspecified), "status", "must be PENDING, CONFIRMED or FAILED.")
            .ThrowIfInvalid();
        return await list.ListAsync(place, RequestCheck.GetPageSize(pageSize), statuses, ct);
    });

    private static Task<IResult> PlaceAsync(HttpRequest http, DemoOrders demo, CancellationToken ct) => AnswerAsync(async () =>
        new Wire.PlaceOrderResponse { Order = OrderMapping.WithoutRecipient(await demo.PlaceAsync(await WishOfAsync(http, ct), ct)) });

    private static Task<IResult> ExplainAsync(string order, OrderQueries lookup, LookOn look, CancellationToken ct) =>
        ProblemDetails.AnswerAsync(async () => Json(look.Explain(await lookup.FindAsync(order, ct))));

    private static Task<IResult> WatchAsync(string order, OrderQueries lookup, LookOn look, CancellationToken ct) => ProblemDetails.AnswerAsync(async () =>
        TypedResults.ServerSentEvents(look.AtAsync((await lookup.FindAsync(order, ct)).Id, ct)));

    private static Task<IResult> DeadLettersAsync(DeadLetterDesk desk, CancellationToken ct) =>
        ProblemDetails.AnswerAsync(async () => Json((await desk.ListAsync(LookOn.Json, ct)).ToJsonString()));

    private static async Task<DemoWish> WishOfAsync(HttpRequest http, CancellationToken ct)
    {
        try
        {
            return await http.ReadFromJsonAsync(ConsoleJson.Default.DemoWish, ct) ?? throw new JsonException("it is null.");
        }
        catch (JsonException unreadable)
        {
            throw new RejectedException(Rejection.Invalid([("body", $"is not the JSON of a wish: {unreadable.Message}")]));
        }
    }

    private static Task<IResult> AnswerAsync(Func<Task<IMessage>> answer) => ProblemDetails.AnswerAsync(async () => Json(LookOn.Json.Format(await answer())));

    private static IResult Json(string json) => TypedResults.Text(json, "application/json; charset=utf-8");
}
