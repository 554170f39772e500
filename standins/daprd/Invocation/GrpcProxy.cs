using System.Buffers;
using System.Diagnostics;
using System.Net;
using Daprd.App;
using Daprd.Tracing;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Invocation;

/// <summary>Proxies gRPC calls of any service to the app named in the metadata, without parsing messages.</summary>
internal sealed class GrpcProxy(SidecarOptions options, LocalApps localApps, NameResolver nameResolver, Spans spans) : IDisposable
{
    private const string TargetHeader = "dapr-app-id";
    private const string CalleeHeader = "dapr-callee-app-id";
    private const string CallerHeader = "dapr-caller-app-id";
    private const string TokenHeader = "dapr-api-token";

    private readonly HttpMessageInvoker toSidecars = new(AppChannel.NewHandler());

    public async Task ForwardAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        // The first of several, as in daprd.
        var appId = (headers[CalleeHeader].Count > 0 ? headers[CalleeHeader] : headers[TargetHeader]).ToString().Split(',')[0];
        if (appId.Length == 0)
        {
            // If traces are propagated, daprd's tracing middleware fails first, with its own message.
            GrpcAnswer.Write(context.Response, StatusCode.Unknown, spans.Propagates
                ? $"cannot proxy request: missing {CalleeHeader} or {TargetHeader} metadata"
                : $"failed to proxy request: required metadata {CalleeHeader} or {TargetHeader} not found");
            return;
        }

        // The id may have a namespace, which is ignored.
        appId = appId.Split('.')[0];
        var caller = TraceContext.FromGrpc(headers);
        using var span = Start(spans, context, appId == options.AppId ? ActivityKind.Server : ActivityKind.Client, caller);
        // As in daprd, the called app sees, after the caller's own context, the span of the caller's sidecar and not that of its own sidecar.
        TraceContext? trace = appId != options.AppId ? span.Context : null;
        if (Find(appId) is { } target)
        {
            using var arrival = target.Spans is null || appId == options.AppId ? default : Start(target.Spans, context, ActivityKind.Server, span.Context);
            await ForwardAsync(context, target, appId, trace);
            if (FailureOf(context.Response) is { } failure) arrival.Fail(failure);
        }
        else
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unknown, $"failed to invoke, id: {appId}, err: couldn't find service: {appId}");
        }

        if (FailureOf(context.Response) is { } why) span.Fail(why);
    }

    public void Dispose() => toSidecars.Dispose();

    private static Span Start(Spans spans, HttpContext context, ActivityKind kind, TraceContext parent)
    {
        var path = context.Request.Path.Value ?? "";
        var span = spans.Start(path, kind, parent);
        if (span.IsRecorded) span.SetApi("grpc", path, context.Request.Headers.Select(header => KeyValuePair.Create(header.Key, header.Value.ToString())));
        return span;
    }

    /// <summary>The message of the response's gRPC status; null if it is OK or not known yet.</summary>
    private static string? FailureOf(HttpResponse response)
    {
        var trailers = response.HttpContext.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpResponseTrailersFeature>()?.Trailers;
        var from = trailers?.ContainsKey("grpc-status") == true ? trailers : response.Headers;
        return from["grpc-status"].ToString() is "" or "0" ? null : Uri.UnescapeDataString(from["grpc-message"].ToString());
    }

    private Target? Find(string appId)
    {
        if (localApps.TryFind(appId, out var callee)) return new Target(callee.App.Invoker, callee.App.Address, callee.AppApiToken, callee.Spans);
        return appId != options.AppId && nameResolver.Find(appId) is { } sidecar ? new Target(toSidecars, sidecar, null, null) : null;
    }

    /// <param name="trace">Added after the caller's own context. Null: only the caller's is sent.</param>
    private async Task ForwardAsync(HttpContext context, Target target, string appId, TraceContext? trace)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var body = new RequestBody(context.Request, options.MaxBodyBytes, ended.Token);
        try
        {
            using var request = Request(context, body, target, appId, trace);
            using var response = await target.Invoker.SendAsync(request, ended.Token);
            await AnswerAsync(context, response, new MessageLimit(options.MaxBodyBytes), ended.Token);
        }
        catch (Exception) when (body.TooLong is not null)
        {
            GrpcAnswer.Write(context.Response, body.TooLong.StatusCode, body.TooLong.Status.Detail);
        }
        catch (RpcException tooLong)
        {
            GrpcAnswer.Write(context.Response, tooLong.StatusCode, tooLong.Status.Detail);
        }
        catch (HttpRequestException failure) when (!context.RequestAborted.IsCancellationRequested)
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unavailable, $"app {appId} cannot be reached: {failure.Message}");
        }
        catch (IOException failure) when (!context.RequestAborted.IsCancellationRequested)
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unavailable, $"the connection to app {appId} broke: {failure.Message}");
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        finally
        {
            await ended.CancelAsync();
            await body.Finished;
        }
    }

    private HttpRequestMessage Request(HttpContext context, RequestBody body, Target target, string appId, TraceContext? trace)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(target.Address, context.Request.Path.ToUriComponent()))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = body,
        };
        foreach (var (name, values) in context.Request.Headers)
        {
            if (IsOwn(name)) continue;
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
            {
                body.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        if (trace is { } passed && spans.Propagates)
        {
            var parent = passed.OrZero;
            request.Headers.TryAddWithoutValidation("traceparent", parent);
            request.Headers.TryAddWithoutValidation(TraceContext.BinaryHeader, Convert.ToBase64String(TraceContext.ToBinary(parent)));
        }

        // As daprd does, also after one that the app has sent itself.
        if (appId != options.AppId)
        {
            request.Headers.TryAddWithoutValidation(CallerHeader, options.AppId);
            request.Headers.TryAddWithoutValidation(CalleeHeader, appId);
        }

        if (target.AppApiToken is null) request.Headers.TryAddWithoutValidation(TargetHeader, appId);
        // All sidecars of a machine are expected to have the same token.
        var token = target.AppApiToken ?? options.ApiToken;
        if (token.Length > 0) request.Headers.TryAddWithoutValidation(TokenHeader, token);
        return request;
    }

    private static bool IsOwn(string name) =>
        name.StartsWith(':')
        || name.Equals("Host", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)
        || name.Equals(TargetHeader, StringComparison.OrdinalIgnoreCase)
        || name.Equals(TokenHeader, StringComparison.OrdinalIgnoreCase);

    private static async Task AnswerAsync(HttpContext context, HttpResponseMessage from, MessageLimit limit, CancellationToken ct)
    {
        var to = context.Response;
        to.StatusCode = (int)from.StatusCode;
        foreach (var (name, values) in from.Content.Headers.NonValidated) to.Headers[name] = values.ToArray();
        var stream = await from.Content.ReadAsStreamAsync(ct);
        var buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            var count = await stream.ReadAsync(buffer, ct);
            // Headers are sent with the first message; without a message they are dropped, unless this is a trailers-only response.
            if (count > 0 || from.Headers.NonValidated.Contains("grpc-status"))
            {
                foreach (var (name, values) in from.Headers.NonValidated) to.Headers.Append(name, values.ToArray());
            }

            for (; count > 0; count = await stream.ReadAsync(buffer, ct))
            {
                limit.Take(buffer.AsSpan(0, count));
                await to.BodyWriter.WriteAsync(buffer.AsMemory(0, count), ct);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        foreach (var (name, values) in from.TrailingHeaders.NonValidated)
        {
            foreach (var value in values) to.AppendTrailer(name, value);
        }
    }
}

/// <summary>The next hop of a call: the app itself or its sidecar.</summary>
/// <param name="AppApiToken">Null if the next hop is a sidecar, which needs the app id header.</param>
/// <param name="Spans">The spans of the app's sidecar. Null if the next hop is a sidecar, which creates its own.</param>
internal sealed record Target(HttpMessageInvoker Invoker, Uri Address, string? AppApiToken, Spans? Spans);
