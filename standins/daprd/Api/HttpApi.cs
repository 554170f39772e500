using System.Diagnostics;
using System.Text.Json;
using Daprd.Json;
using Daprd.PubSub;
using Daprd.Tracing;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;

namespace Daprd.Api;

/// <summary>The sidecar's API over HTTP: what the product's people try with curl, and what SDKs wait for.</summary>
internal sealed class HttpApi(Sidecar sidecar)
{
    private static readonly string[] Writes = ["POST", "PUT"];

    /// <summary>What daprd serves besides, by the second word of its paths.</summary>
    private static readonly HashSet<string> Missing =
        ["bindings", "secrets", "configuration", "lock", "unlock", "actors", "workflows", "jobs", "crypto", "subtlecrypto", "conversation"];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1.0/state/{store}", Writes, Traced(SaveStateAsync));
        routes.MapGet("/v1.0/state/{store}/{key}", Traced(GetStateAsync));
        routes.MapDelete("/v1.0/state/{store}/{key}", Traced(DeleteStateAsync));
        routes.MapMethods("/v1.0/state/{store}/bulk", Writes, Traced(GetBulkStateAsync));
        routes.MapMethods("/v1.0/state/{store}/transaction", Writes, Traced(TransactAsync));
        routes.MapMethods("/v1.0/publish/{pubsub}/{**topic}", Writes, Traced(PublishAsync));
        routes.MapMethods("/v1.0/publish/bulk/{pubsub}/{**topic}", Writes, Traced(PublishManyAsync));
        routes.MapMethods("/v1.0-alpha1/publish/bulk/{pubsub}/{**topic}", Writes, Traced(PublishManyAsync));
        routes.MapGet("/v1.0/healthz", Answer(HealthAsync));
        routes.MapGet("/v1.0/healthz/outbound", Answer(context => NoContent(context)));
        routes.MapGet("/v1.0/metadata", Traced(MetadataAsync));
        routes.MapPut("/v1.0/metadata/{key}", Traced(SetMetadataAsync));
        routes.MapPost("/v1.0/shutdown", Traced(ShutdownAsync));
        routes.Map("/v1.0/invoke/{app}/method/{**method}", Traced(context => InvokeAsync(context, Route(context, "app"), Route(context, "method"))));
        routes.MapFallback(Traced(FallBackAsync));
    }

    /// <summary>Any other path that is not Dapr's is a method of the app that the header names.</summary>
    private Task FallBackAsync(HttpContext context)
    {
        string[] words = context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (words is [var version, var feature, ..] && version.StartsWith("v1.0", StringComparison.Ordinal))
        {
            if (feature == "state" && words[^1] == "query") throw NotHere("state query");
            if (Missing.Contains(feature)) throw NotHere(feature);
        }

        var app = context.Request.Headers["dapr-app-id"].ToString();
        return app.Length > 0
            ? InvokeAsync(context, app, context.Request.Path.Value!.TrimStart('/'))
            : throw new ApiException(
                Grpc.Core.StatusCode.NotFound, 404, "ERR_DIRECT_INVOKE", "failed getting app id either from the URL path or the header dapr-app-id");
    }

    private async Task InvokeAsync(HttpContext context, string app, string method)
    {
        var request = HttpInvocation.Read(context.Request, app, method, await BytesAsync(context));
        try
        {
            var response = await sidecar.InvokeAsync(request, Trace(context), caller: null, context.RequestAborted);
            if (response.ContentType.Length > 0) context.Response.ContentType = response.ContentType;
            await context.Response.BodyWriter.WriteAsync(response.Data?.Value.Memory ?? default, context.RequestAborted);
        }
        catch (Grpc.Core.RpcException failure)
        {
            context.Response.StatusCode = HttpInvocation.StatusOf(failure.StatusCode);
            await WriteJsonAsync(context, writer => HttpInvocation.WriteFailure(writer, failure.Status));
        }
    }

    private async Task SaveStateAsync(HttpContext context)
    {
        using var body = await BodyAsync(context);
        if (body.RootElement.ValueKind != JsonValueKind.Array) throw Malformed("a list of items is expected");
        var metadata = QueryMetadata(context);
        var items = body.RootElement.EnumerateArray().Select(item => HttpState.ReadItem(item, metadata)).ToList();
        await sidecar.State.SaveAsync(Route(context, "store"), items, context.RequestAborted);
        await NoContent(context);
    }

    private async Task GetStateAsync(HttpContext context)
    {
        var value = await sidecar.State.GetAsync(Route(context, "store"), Route(context, "key"), context.RequestAborted);
        if (value is null || value.Data.Length == 0)
        {
            await NoContent(context);
            return;
        }

        context.Response.ContentType = "application/json";
        if (value.Etag is { } etag) context.Response.Headers["ETag"] = etag;
        if (value.ExpiresAt is { } time) context.Response.Headers["metadata.ttlExpireTime"] = time;
        await context.Response.BodyWriter.WriteAsync(value.Data, context.RequestAborted);
    }

    private async Task DeleteStateAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var item = HttpState.Item(
            Route(context, "key"), context.Request.Headers.IfMatch.ToString(), query["concurrency"].ToString(), query["consistency"].ToString());
        await sidecar.State.DeleteAsync(Route(context, "store"), [item], context.RequestAborted);
        await NoContent(context);
    }

    private async Task GetBulkStateAsync(HttpContext context)
    {
        using var body = await BodyAsync(context);
        var keys = body.RootElement.TryMember("keys", out var list) ? list.EnumerateArray().Select(k => k.GetString() ?? "").ToList() : [];
        var parallelism = body.RootElement.TryMember("parallelism", out var number) ? number.GetInt32() : 0;
        var items = await sidecar.State.GetManyAsync(Route(context, "store"), keys, parallelism, context.RequestAborted);
        // One value that is not JSON leaves nothing of the answer but its status.
        if (items.All(HttpState.IsJson)) await WriteJsonAsync(context, writer => HttpState.WriteItems(writer, items));
    }

    private async Task TransactAsync(HttpContext context)
    {
        using var body = await BodyAsync(context);
        var metadata = QueryMetadata(context);
        var operations = body.RootElement.TryMember("operations", out var list)
            ? list.EnumerateArray().Select(operation => HttpState.ReadOperation(operation, metadata)).ToList()
            : [];
        await sidecar.State.TransactAsync(Route(context, "store"), operations, context.RequestAborted);
        await NoContent(context);
    }

    private async Task PublishAsync(HttpContext context)
    {
        var (pubsub, topic) = (Route(context, "pubsub"), Topic(context));
        var bytes = await BytesAsync(context, why => new ApiException(
            Grpc.Core.StatusCode.Internal, 500, "ERR_PUBSUB_PUBLISH_MESSAGE", $"error when publishing to topic {topic} in pubsub {pubsub}: {why}"));
        // Over HTTP a message carries metadata even when there is none to carry: an empty object stands in the stream.
        var metadata = QueryMetadata(context);
        var publication = new Publication(pubsub, topic, bytes, context.Request.ContentType ?? "", metadata, Trace(context))
        {
            IsRaw = Publisher.AsksRaw(metadata),
        };
        await sidecar.Publisher.PublishAsync(publication, context.RequestAborted);
        await NoContent(context);
    }

    private async Task PublishManyAsync(HttpContext context)
    {
        using var body = await BodyAsync(context);
        var (pubsub, topic, trace) = (Route(context, "pubsub"), Topic(context), Trace(context));
        var request = QueryMetadata(context);
        var given = body.RootElement.EnumerateArray().ToList();
        var spans = given.Select(_ => sidecar.Spans.Start(context.Request.Path, ActivityKind.Producer, trace)).ToList();
        try
        {
            var raw = Publisher.AsksRaw(request);
            var entries = given.Select((entry, at) => HttpBulk.ReadEntry(entry, pubsub, topic, request, raw, spans[at].Context)).ToList();
            var failures = await sidecar.Publisher.PublishManyAsync(pubsub, topic, entries, context.RequestAborted);
            if (failures.Count == 0)
            {
                await NoContent(context);
                return;
            }

            context.Response.StatusCode = StatusCodes.Status500InternalServerError;
            await WriteJsonAsync(context, writer => HttpBulk.WriteFailures(writer, failures));
        }
        finally
        {
            foreach (var span in spans) span.Dispose();
        }
    }

    private Task HealthAsync(HttpContext context)
    {
        if (!sidecar.IsReady) throw new ApiException(Grpc.Core.StatusCode.Unavailable, 500, "ERR_HEALTH_NOT_READY", "dapr is not ready");
        var asked = context.Request.Query["appid"].ToString();
        return asked.Length == 0 || asked == sidecar.Options.AppId
            ? NoContent(context)
            : throw new ApiException(Grpc.Core.StatusCode.NotFound, 500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
    }

    private Task MetadataAsync(HttpContext context) => WriteJsonAsync(context, writer => HttpMetadata.Write(writer, sidecar.Describe()));

    private async Task SetMetadataAsync(HttpContext context)
    {
        sidecar.ExtendedMetadata[Route(context, "key")] = System.Text.Encoding.UTF8.GetString(await BytesAsync(context));
        await NoContent(context);
    }

    private Task ShutdownAsync(HttpContext context)
    {
        sidecar.RequestShutdown(forced: context.Request.Headers["dapr-force-shutdown"] == "true");
        return NoContent(context);
    }

    private RequestDelegate Traced(RequestDelegate work)
    {
        var answer = Answer(work);
        return async context =>
        {
            var request = context.Request;
            var parent = TraceContext.FromHttp(request.Headers.TraceParent.ToString(), request.Headers.TraceState.ToString());
            using var span = sidecar.Spans.Start(request.Path, ActivityKind.Client, parent);
            context.Features.Set(new TraceFeature(span.Context));
            if (sidecar.Spans.AreMade) context.Response.Headers.TraceParent = span.Context.Parent;
            if (span.IsRecorded) Describe(context, span);
            await answer(context);
            var status = context.Response.StatusCode;
            if (status >= StatusCodes.Status400BadRequest) span.Fail($"Code({status}): {ReasonPhrases.GetReasonPhrase(status)}");
            if (span.IsRecorded) span.Set("dapr.status_code", $"{status}");
        };
    }

    private void Describe(HttpContext context, Span span)
    {
        var request = context.Request;
        var api = $"{request.Method} {request.Path}";
        span.SetApi("http", api, request.Headers.Select(header => KeyValuePair.Create(header.Key, header.Value.ToString())));
        span.Set("http.request.method", request.Method);
        span.Set("url.full", request.GetDisplayUrl());
        span.Set("server.address", request.Host.Host);
        span.Set("server.port", $"{request.Host.Port ?? 80}");
        if (request.RouteValues.ContainsKey("store")) span.SetStore(Route(context, "store"), api);
        if (request.RouteValues.ContainsKey("topic")) span.SetTopic(Topic(context));
    }

    private static RequestDelegate Answer(RequestDelegate work) => async context =>
    {
        try
        {
            await work(context);
        }
        catch (ApiException failure)
        {
            await FailAsync(context, failure);
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            await FailAsync(context, Malformed(wrong.Message));
        }
    };

    private static Task FailAsync(HttpContext context, ApiException failure)
    {
        context.Response.StatusCode = failure.HttpStatus;
        return WriteJsonAsync(context, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("errorCode", failure.Code);
            writer.WriteString("message", failure.Message);
            if (failure.Reason is { } reason)
            {
                writer.WriteStartArray("details");
                writer.WriteStartObject();
                writer.WriteString("@type", "type.googleapis.com/google.rpc.ErrorInfo");
                writer.WriteString("domain", RichStatus.Domain);
                writer.WriteString("reason", reason);
                writer.WriteEndObject();
                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        });
    }

    private static ApiException NotHere(string feature) => new(
        Grpc.Core.StatusCode.Unimplemented, StatusCodes.Status501NotImplemented, "ERR_NOT_IN_STAND_IN", $"{feature} is not in this stand-in for daprd");

    private static ApiException Malformed(string message) => new(
        Grpc.Core.StatusCode.InvalidArgument, 400, "ERR_MALFORMED_REQUEST", $"failed deserializing HTTP body: {message}");

    private static async Task WriteJsonAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        context.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(context.Response.BodyWriter);
        write(writer);
        await writer.FlushAsync();
    }

    private static Task NoContent(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    /// <param name="failed">Says what becomes of a body that is longer than allowed; null calls it malformed.</param>
    private async Task<byte[]> BytesAsync(HttpContext context, Func<string, ApiException>? failed = null)
    {
        using var whole = new MemoryStream();
        var buffer = new byte[8192];
        var length = 0L;
        while (await context.Request.Body.ReadAsync(buffer, context.RequestAborted) is > 0 and var count)
        {
            length += count;
            // Read to the end all the same: a caller that still sends would not hear the answer.
            if (length <= sidecar.Options.MaxBodyBytes) whole.Write(buffer, 0, count);
        }

        return length <= sidecar.Options.MaxBodyBytes ? whole.ToArray() : throw (failed ?? Malformed)("http: request body too large");
    }

    private async Task<JsonDocument> BodyAsync(HttpContext context) => JsonDocument.Parse(await BytesAsync(context));

    private static TraceContext Trace(HttpContext context) => context.Features.GetRequiredFeature<TraceFeature>().Context;

    private static string Topic(HttpContext context) => Route(context, "topic");

    private static string Route(HttpContext context, string name) => Uri.UnescapeDataString(context.GetRouteValue(name)?.ToString() ?? "");

    private static Dictionary<string, string> QueryMetadata(HttpContext context)
    {
        const string prefix = "metadata.";
        return context.Request.Query
            .Where(q => q.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(q => q.Key[prefix.Length..], q => q.Value.ToString());
    }

    /// <summary>The context of the span of a request.</summary>
    private sealed record TraceFeature(TraceContext Context);
}
