using System.Diagnostics;
using System.Text.Json;
using Daprd.Json;
using Daprd.PubSub;
using Daprd.Tracing;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;

namespace Daprd.Api;

/// <summary>The HTTP API of the sidecar: publish, health and metadata only.</summary>
internal sealed class HttpApi(Sidecar sidecar)
{
    private static readonly string[] Writes = ["POST", "PUT"];

    /// <summary>Building blocks that daprd serves and the stand-in does not, by the second segment of the path.</summary>
    private static readonly HashSet<string> Missing =
        ["state", "invoke", "bindings", "secrets", "configuration", "lock", "unlock", "actors", "workflows", "jobs", "crypto", "subtlecrypto", "conversation"];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1.0/publish/{pubsub}/{**topic}", Writes, Traced(PublishAsync));
        routes.MapMethods("/v1.0/publish/bulk/{pubsub}/{**topic}", Writes, Traced(PublishManyAsync));
        routes.MapMethods("/v1.0-alpha1/publish/bulk/{pubsub}/{**topic}", Writes, Traced(PublishManyAsync));
        routes.MapGet("/v1.0/healthz", Answer(_ => throw NotReady()));
        routes.MapGet("/v1.0/healthz/outbound", Answer(context => NoContent(context)));
        routes.MapGet("/v1.0/metadata", Traced(MetadataAsync));
        routes.MapPut("/v1.0/metadata/{key}", Traced(SetMetadataAsync));
        routes.MapPost("/v1.0/shutdown", Traced(ShutdownAsync));
        routes.MapFallback(Traced(FallBackAsync));
    }

    /// <summary>daprd treats any other path as a method of the app named by the dapr-app-id header.</summary>
    private static Task FallBackAsync(HttpContext context)
    {
        string[] words = context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (words is [var version, var feature, ..] && version.StartsWith("v1.0", StringComparison.Ordinal) && Missing.Contains(feature))
        {
            throw NotHere(feature);
        }
        throw context.Request.Headers["dapr-app-id"].Count > 0 ? NotHere("invoke") : NoApp();
    }

    private async Task PublishAsync(HttpContext context)
    {
        var (pubsub, topic) = (Route(context, "pubsub"), Topic(context));
        if (topic.Length == 0) throw NoApp();
        var bytes = await BytesAsync(context, why => new ApiException(
            Grpc.Core.StatusCode.Internal, 500, "ERR_PUBSUB_PUBLISH_MESSAGE", $"error when publishing to topic {topic} in pubsub {pubsub}: {why}"));
        // Over HTTP a message always carries metadata: an empty object if the request has none.
        var metadata = QueryMetadata(context);
        var publish = new PublishRequest(pubsub, topic, bytes, context.Request.ContentType ?? "", metadata, Trace(context))
        {
            IsRaw = Publisher.IsRaw(metadata),
        };
        await sidecar.Publisher.PublishAsync(publish);
        await NoContent(context);
    }

    private async Task PublishManyAsync(HttpContext context)
    {
        if (Topic(context).Length == 0) throw NoApp();
        using var body = await BodyAsync(context);
        var (pubsub, topic, trace) = (Route(context, "pubsub"), Topic(context), Trace(context));
        var request = QueryMetadata(context);
        var given = body.RootElement.EnumerateArray().ToList();
        var spans = given.Select(_ => sidecar.Spans.Start(context.Request.Path, ActivityKind.Producer, trace)).ToList();
        try
        {
            var raw = Publisher.IsRaw(request);
            var entries = given.Select((entry, at) => HttpBulk.ReadEntry(entry, pubsub, topic, request, raw, spans[at].Context)).ToList();
            var failures = await sidecar.Publisher.PublishManyAsync(pubsub, topic, entries);
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
            if (sidecar.Spans.AreCreated) context.Response.Headers.TraceParent = span.Context.Parent;
            if (span.IsRecorded) Describe(context, span);
            await answer(context);
            var status = context.Response.StatusCode;
            if (status >= StatusCodes.Status400BadRequest) span.Fail($"Code({status}): {ReasonPhrases.GetReasonPhrase(status)}");
            if (span.IsRecorded) span.Set("dapr.status_code", $"{status}");
        };
    }

    private static void Describe(HttpContext context, Span span)
    {
        var request = context.Request;
        var api = $"{request.Method} {request.Path}";
        span.SetApi("http", api, request.Headers.Select(header => KeyValuePair.Create(header.Key, header.Value.ToString())));
        span.Set("http.request.method", request.Method);
        span.Set("url.full", request.Path);
        // As in daprd, this is the client's address, not the server's.
        span.Set("server.address", $"{context.Connection.RemoteIpAddress}");
        span.Set("server.port", $"{context.Connection.RemotePort}");
        if (request.RouteValues.ContainsKey("pubsub")) span.Set("messaging.system", "pubsub");
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

    /// <summary>daprd is not ready before it has reached a scheduler, and the stand-in has none.</summary>
    private static ApiException NotReady() =>
        new(Grpc.Core.StatusCode.Unavailable, 500, "ERR_HEALTH_NOT_READY", "dapr is not ready: [scheduler-watch-hosts]");

    /// <summary>daprd treats an unknown path as a service invocation.</summary>
    private static ApiException NoApp() => new(
        Grpc.Core.StatusCode.NotFound, 404, "ERR_DIRECT_INVOKE", "failed getting app id either from the URL path or the header dapr-app-id");

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

    /// <param name="failed">Creates the error for a body over the size limit; null reports it as malformed.</param>
    private async Task<byte[]> BytesAsync(HttpContext context, Func<string, ApiException>? failed = null)
    {
        using var whole = new MemoryStream();
        var buffer = new byte[8192];
        var length = 0L;
        while (await context.Request.Body.ReadAsync(buffer, context.RequestAborted) is > 0 and var count)
        {
            length += count;
            // Read to the end anyway: a client that is still sending would not read the response.
            whole.Write(buffer, 0, (int)Math.Min(count, sidecar.Options.MaxBodyBytes - whole.Length));
        }

        // As in daprd, a body one byte over the limit is truncated without an error.
        return length <= sidecar.Options.MaxBodyBytes + 1 ? whole.ToArray() : throw (failed ?? Malformed)("http: request body too large");
    }

    private async Task<JsonDocument> BodyAsync(HttpContext context) => JsonDocument.Parse(await BytesAsync(context));

    private static TraceContext Trace(HttpContext context) => context.Features.GetRequiredFeature<TraceFeature>().Context;

    private static string Topic(HttpContext context) => Route(context, "topic");

    private static string Route(HttpContext context, string name) => Uri.UnescapeDataString(context.GetRouteValue(name)?.ToString() ?? "");

    private static Dictionary<string, string> QueryMetadata(HttpContext context)
    {
        const string Prefix = "metadata.";
        return context.Request.Query
            .Where(q => q.Key.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(q => q.Key[Prefix.Length..], q => q.Value.ToString());
    }

    /// <summary>The trace context of the request's span.</summary>
    private sealed record TraceFeature(TraceContext Context);
}
