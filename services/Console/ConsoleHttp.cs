using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.FileProviders;
using Shop.V1;
using ProblemDetails = Saga.Hosting.ProblemDetails;

namespace ShopConsole;

/// <summary>The page and its API, whose answers are messages of the services in their JSON form.</summary>
internal static class ConsoleHttp
{
    /// <summary>Bytes of a body, at most.</summary>
    private const int BodyMax = 16 * 1024;

    private const int DescriptionMax = 250;

    /// <summary>Everything is loaded from this origin, and no other site may frame the page.</summary>
    private const string ContentSecurity = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    public static void MapConsole(this WebApplication app)
    {
        var page = new FileServerOptions { FileProvider = new PhysicalFileProvider(Path.Combine(AppContext.BaseDirectory, "page")) };
        page.StaticFileOptions.OnPrepareResponse = file => SetHeaders(file.Context.Response.Headers);
        app.UseProblemDetails();
        app.UseSameOrigin();
        // The page itself needs no token: it asks for one.
        app.UseFileServer(page);
        app.UseAuthentication();
        app.UseAuthorization();

        var api = app.MapGroup("/api/console").AddEndpointFilter(SameOrigin.FilterBodyAsync).WithMetadata(new RequestSizeLimitAttribute(BodyMax));
        api.MapGet("/events", (HttpRequest http, ConsoleEvents events, CancellationToken aborted) => Stream(http, events.StreamAll(aborted)))
            .WithHead().AddEndpointFilter(RequestLimits.FilterStreamAsync);
        api.MapGet("/orders/{order}/events", WatchAsync).WithHead().AddEndpointFilter(RequestLimits.FilterStreamAsync);

        var calls = api.MapGroup("").AddEndpointFilter(RequestLimits.FilterRequestAsync);
        calls.MapSignIn();
        calls.MapGet("/settings", (Settings settings) => TypedResults.Json(settings, ConsoleJson.Default.Settings)).WithHead();
        calls.MapGet("/orders", ListAsync).WithHead();
        calls.MapPost("/orders", PlaceAsync);
        calls.MapGet("/orders/{order}", ExplainAsync).WithHead();
        calls.MapGet("/dead-letters", DeadLettersAsync).WithHead();
        calls.MapPost("/dead-letters/{appId}/{id}/dry-run", (string appId, string id, DeadLetterClients clients, CancellationToken ct) =>
            AnswerAsync(async () => await clients.RedriveAsync(appId, id, dryRun: true, ct)));
        calls.MapPost("/dead-letters/{appId}/{id}/redrive", (string appId, string id, DeadLetterClients clients, CancellationToken ct) =>
            AnswerAsync(async () => await clients.RedriveAsync(appId, id, dryRun: false, ct)));
        calls.MapPost("/dead-letters/{appId}/{id}/discard", (string appId, string id, DeadLetterClients clients, CancellationToken ct) =>
            AnswerAsync(async () => await clients.DiscardAsync(appId, id, ct)));
    }

    private static void SetHeaders(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = ContentSecurity;
        headers.XContentTypeOptions = "nosniff";
        // Revalidated each time: a page and a server of two versions do not fit together.
        headers.CacheControl = "no-cache";
    }

    /// <param name="status">Orders in one of these, such as PENDING. Empty: all.</param>
    /// <param name="pageSize">As in ListOrdersRequest.</param>
    private static Task<IResult> ListAsync(
        OrderService.OrderServiceClient orders, TimeProvider clock, string[] status, string pageSize = "0", string pageToken = "", CancellationToken ct = default) =>
        AnswerAsync(async () =>
    {
        OrderStatus[] statuses =
            [.. status.Select(name => Enum.GetValues<OrderStatus>().FirstOrDefault(one => $"{one}".Equals(name, StringComparison.OrdinalIgnoreCase)))];
        new RequestCheck()
            .Must(!statuses.Contains(OrderStatus.Unspecified), "status", "must be PENDING, CONFIRMED or FAILED.")
            .Must(int.TryParse(pageSize, NumberStyles.None, CultureInfo.InvariantCulture, out var size), "pageSize", $"must be 0 to {RequestCheck.PageMax}.")
            .ThrowIfInvalid();
        return await orders.ListOrdersAsync(new() { PageSize = size, PageToken = pageToken, Statuses = { statuses } }, Calls.Options(clock, ct));
    });

    private static Task<IResult> PlaceAsync(HttpRequest http, DemoOrders demo, CancellationToken ct) =>
        AnswerAsync(async () => await demo.PlaceAsync(await ReadAsync(http, ct), ct));

    private static Task<IResult> ExplainAsync(string order, ConsoleEvents events, CancellationToken ct) =>
        AnswerAsync(async () => await events.ExplainAsync(order, ct));

    private static Task<IResult> WatchAsync(string order, HttpRequest http, ConsoleEvents events, CancellationToken ct) =>
        ProblemDetails.AnswerAsync(async () => Stream(http, events.StreamOrder(await events.ExplainAsync(order, ct), ct)));

    /// <summary>HEAD ends at once, and would otherwise at the end of the stream.</summary>
    private static IResult Stream(HttpRequest http, IAsyncEnumerable<SseItem<string>> events) =>
        TypedResults.ServerSentEvents(HttpMethods.IsHead(http.Method) ? AsyncEnumerable.Empty<SseItem<string>>() : events);

    private static Task<IResult> DeadLettersAsync(DeadLetterClients clients, CancellationToken ct) =>
        ProblemDetails.AnswerAsync(async () => Json((await clients.ListAsync(ct)).ToJsonString()));

    private static async Task<DemoOrderRequest> ReadAsync(HttpRequest http, CancellationToken ct)
    {
        try
        {
            return JsonSerializer.Deserialize(await http.ReadTextAsync(ct), ConsoleJson.Default.DemoOrderRequest) ?? throw new JsonException("it is null.");
        }
        catch (JsonException unreadable)
        {
            throw new RejectedException(Rejection.Invalid(
                [("body", Shortened.To(DescriptionMax, $"is not the JSON of a demo order: {unreadable.Message}"))]));
        }
        catch (DecoderFallbackException)
        {
            throw new RejectedException(Rejection.Invalid([("body", "is not UTF-8.")]));
        }
    }

    private static Task<IResult> AnswerAsync(Func<Task<IMessage>> answer) =>
        ProblemDetails.AnswerAsync(async () => Json(ConsoleEvents.Json.Format(await answer())));

    private static IResult Json(string json) => TypedResults.Text(json, "application/json; charset=utf-8");
}

/// <summary>Whether Orders answers.</summary>
internal sealed record LinkState(bool Live);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, AllowDuplicateProperties = false, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(StatsSample[]))]
[JsonSerializable(typeof(LinkState))]
[JsonSerializable(typeof(DemoOrderRequest))]
[JsonSerializable(typeof(Settings))]
internal sealed partial class ConsoleJson : JsonSerializerContext;
