using System.Diagnostics;
using System.Net;
using Daprd.Api;
using Daprd.App;
using Daprd.Tracing;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Forwarder;

namespace Daprd.Invocation;

/// <summary>Proxies gRPC calls of any service to the app named in the metadata, without parsing messages.</summary>
internal sealed class GrpcProxy(Sidecar sidecar, IHttpForwarder forwarder) : IDisposable
{
    private const string TargetHeader = "dapr-app-id";
    private const string CalleeHeader = "dapr-callee-app-id";
    private const string CallerHeader = "dapr-caller-app-id";

    private static readonly ForwarderRequestConfig Http2 = new()
    {
        // A stream may be silent for as long as it likes.
        ActivityTimeout = Timeout.InfiniteTimeSpan,
        Version = HttpVersion.Version20,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private readonly HttpMessageInvoker toSidecars = new(AppChannel.NewHandler());

    /// <summary>The next hop of a call: the app itself or its sidecar.</summary>
    /// <param name="App">Null if the next hop is a sidecar, which needs the app id header and creates its own span.</param>
    private sealed record Target(HttpMessageInvoker Invoker, Uri Address, LocalApp? App);

    public async Task ForwardAsync(HttpContext context)
    {
        var (headers, own) = (context.Request.Headers, sidecar.Options.AppId);
        var appId = headers[TargetHeader].ToString();
        if (appId.Length == 0)
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unknown, $"cannot proxy request: missing {CalleeHeader} or {TargetHeader} metadata");
            return;
        }

        using var span = Start(sidecar.Spans, context, appId == own ? ActivityKind.Server : ActivityKind.Client, TraceContext.FromGrpc(headers));
        if (Find(appId) is { } target)
        {
            using var arrival = target.App is null || appId == own ? default : Start(target.App.Spans, context, ActivityKind.Server, span.Context);
            // As in daprd, the called app sees, after the caller's own context, the span of the caller's sidecar and not that of its own sidecar.
            await ForwardAsync(context, target, appId, appId == own ? null : span.Context);
            if (GrpcAnswer.FindFailure(context.Response) is { } failure) arrival.Fail(failure);
        }
        else
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unknown, $"failed to invoke, id: {appId}, err: couldn't find service: {appId}");
        }

        if (GrpcAnswer.FindFailure(context.Response) is { } why) span.Fail(why);
    }

    public void Dispose() => toSidecars.Dispose();

    private static Span Start(Spans spans, HttpContext context, ActivityKind kind, TraceContext parent) =>
        spans.Start(context.Request.Path.Value ?? "", kind, parent);

    private Target? Find(string appId)
    {
        // As in daprd, a call to the own app id never goes to another instance.
        var isOwn = appId == sidecar.Options.AppId;
        if ((isOwn ? sidecar.LocalApp : sidecar.LocalApps.Find(appId)) is { } callee) return new Target(callee.App.Invoker, callee.App.Address, callee);
        return !isOwn && sidecar.NameResolver.Find(appId) is { } other ? new Target(toSidecars, other, null) : null;
    }

    private async Task ForwardAsync(HttpContext context, Target target, string appId, TraceContext? trace)
    {
        var changes = new Headers(request => Change(request, target, appId, trace));
        var error = await forwarder.SendAsync(context, target.Address.ToString(), target.Invoker, Http2, changes);
        if (error == ForwarderError.None || context.Response.HasStarted || context.RequestAborted.IsCancellationRequested) return;
        var cause = context.Features.Get<IForwarderErrorFeature>()?.Exception?.Message;
        GrpcAnswer.Write(context.Response, StatusCode.Unavailable, $"app {appId} cannot be reached: {cause}");
    }

    /// <param name="trace">Added after the caller's own context. Null: only the caller's is sent.</param>
    private void Change(HttpRequestMessage request, Target target, string appId, TraceContext? trace)
    {
        request.Headers.Remove(TargetHeader);
        if (trace is { } passed && sidecar.Spans.Propagates)
        {
            request.Headers.TryAddWithoutValidation("traceparent", passed.OrZero);
            request.Headers.TryAddWithoutValidation(TraceContext.BinaryHeader, Convert.ToBase64String(TraceContext.ToBinary(passed.OrZero)));
        }

        if (target.App is null) request.Headers.TryAddWithoutValidation(TargetHeader, appId);
        else
        {
            request.Headers.Remove(ApiToken.Header);
            if (target.App.AppApiToken.Length > 0) request.Headers.TryAddWithoutValidation(ApiToken.Header, target.App.AppApiToken);
        }

        // As daprd does, also after one that the app has sent itself.
        if (appId == sidecar.Options.AppId) return;
        request.Headers.TryAddWithoutValidation(CallerHeader, sidecar.Options.AppId);
        request.Headers.TryAddWithoutValidation(CalleeHeader, appId);
    }

    /// <summary>Copies all headers and then changes some.</summary>
    private sealed class Headers(Action<HttpRequestMessage> change) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(
            HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            proxyRequest.Headers.Host = null;
            change(proxyRequest);
        }
    }
}
