using System.Diagnostics;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.PubSub;
using Daprd.Tracing;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Daprd.Api;

/// <summary>The HTTP API of the sidecar: publish, health and metadata only.</summary>
internal sealed class HttpApi(Sidecar sidecar)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1.0/publish/{pubsub}/{**topic}", ["POST", "PUT"], PublishAsync);
        // daprd is not ready before it has reached a scheduler, and the stand-in has none.
        routes.MapGet("/v1.0/healthz", () => Error(500, "ERR_HEALTH_NOT_READY", "dapr is not ready: [scheduler-watch-hosts]"));
        routes.MapGet("/v1.0/healthz/outbound", () => Results.NoContent());
        routes.MapGet("/v1.0/metadata", () => Results.Json(Describe(sidecar.Describe())));
        routes.MapFallback((HttpContext context) => Error(501, "ERR_NOT_IN_STAND_IN", $"{context.Request.Path} is not in this stand-in for daprd"));
    }

    private async Task<IResult> PublishAsync(HttpContext context, string pubsub, string? topic)
    {
        var http = context.Request;
        var parent = TraceContext.FromHttp(http.Headers.TraceParent.ToString(), http.Headers.TraceState.ToString());
        using var span = sidecar.Spans.Start(http.Path, ActivityKind.Client, parent);
        try
        {
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = SidecarServer.MaxBodyBytes;
            using var body = new MemoryStream();
            await http.Body.CopyToAsync(body, context.RequestAborted);
            const string Prefix = "metadata.";
            var metadata = http.Query.Where(one => one.Key.StartsWith(Prefix, StringComparison.Ordinal))
                .ToDictionary(one => one.Key[Prefix.Length..], one => one.Value.ToString());
            await sidecar.Publisher.PublishAsync(new PublishRequest(
                pubsub, Uri.UnescapeDataString(topic ?? ""), body.ToArray(), http.ContentType ?? "", metadata, span.Context));
            return Results.NoContent();
        }
        catch (BadHttpRequestException large)
        {
            span.Fail(large.Message);
            return Results.Text(large.Message, statusCode: large.StatusCode);
        }
        catch (ApiException failure)
        {
            span.Fail(failure.Message);
            return Error(failure.HttpStatus, failure.Code, failure.Message);
        }
    }

    private static IResult Error(int status, string errorCode, string message) => Results.Json(new { errorCode, message }, statusCode: status);

    /// <summary>The metadata with the names of the HTTP API, which differ from those of the protobuf JSON mapping.</summary>
    private static object Describe(GetMetadataResponse metadata) => new
    {
        id = metadata.Id,
        runtimeVersion = metadata.RuntimeVersion,
        components = metadata.RegisteredComponents.Select(one => new { name = one.Name, type = one.Type, version = one.Version, capabilities = one.Capabilities }),
        subscriptions = metadata.Subscriptions.Select(one => new
        {
            pubsubname = one.PubsubName,
            topic = one.Topic,
            metadata = one.Metadata,
            rules = one.Rules.Rules.Select(rule => new { path = rule.Path }),
            deadLetterTopic = one.DeadLetterTopic,
            type = one.Type.ToString().ToUpperInvariant(),
        }),
        appConnectionProperties = metadata.AppConnectionProperties is not { } app ? null : new
        {
            port = app.Port,
            protocol = app.Protocol,
            channelAddress = app.ChannelAddress,
            health = app.Health is not { } health ? null : new
            {
                healthProbeInterval = health.HealthProbeInterval,
                healthProbeTimeout = health.HealthProbeTimeout,
                healthThreshold = health.HealthThreshold,
            },
        },
        actorRuntime = new { runtimeStatus = "DISABLED" },
    };
}
