using System.Buffers;
using System.Net;
using Daprd.App;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Invocation;

/// <summary>Carries calls of any gRPC service to the app that the metadata names: bytes and headers both ways, no message is parsed.</summary>
internal sealed class GrpcProxy(string appId, Neighbours neighbours, Names names) : IDisposable
{
    private const string TargetHeader = "dapr-app-id";
    private const string CalleeHeader = "dapr-callee-app-id";
    private const string CallerHeader = "dapr-caller-app-id";
    private const string TokenHeader = "dapr-api-token";

    private readonly HttpMessageInvoker _toSidecars = new(AppChannel.NewHandler());

    public async Task ForwardAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var target = headers[CalleeHeader].Count > 0 ? headers[CalleeHeader].ToString() : headers[TargetHeader].ToString();
        if (target.Length == 0)
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unknown, $"failed to proxy request: required metadata {CalleeHeader} or {TargetHeader} not found");
            return;
        }

        // An id may carry a namespace; there is only one here.
        target = target.Split('.')[0];
        if (neighbours.TryFind(target, out var app, out var appApiToken))
        {
            if (app.IsHealthy) await ForwardAsync(context, app.Invoker, app.Address, target, appApiToken);
            else GrpcAnswer.Write(context.Response, StatusCode.Internal, "app is not in a healthy state");
        }
        else if (target != appId && names.Find(target) is { } sidecar)
        {
            await ForwardAsync(context, _toSidecars, sidecar, target, appApiToken: null);
        }
        else
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unknown, $"failed to invoke, id: {target}, err: couldn't find service: {target}");
        }
    }

    public void Dispose() => _toSidecars.Dispose();

    /// <param name="appApiToken">Null when the next hop is a sidecar, which is to see who is meant.</param>
    private async Task ForwardAsync(HttpContext context, HttpMessageInvoker invoker, Uri address, string target, string? appApiToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var body = new RequestBody(context.Request, ended.Token);
        try
        {
            using var request = Request(context, body, address, target, appApiToken);
            using var response = await invoker.SendAsync(request, ended.Token);
            await AnswerAsync(context, response, ended.Token);
        }
        catch (HttpRequestException failure) when (!context.RequestAborted.IsCancellationRequested)
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unavailable, $"app {target} cannot be reached: {failure.Message}");
        }
        catch (IOException failure) when (!context.RequestAborted.IsCancellationRequested)
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unavailable, $"the connection to app {target} broke: {failure.Message}");
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

    private HttpRequestMessage Request(HttpContext context, RequestBody body, Uri address, string target, string? appApiToken)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, context.Request.Path.ToUriComponent()))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = body,
        };
        foreach (var (name, values) in context.Request.Headers)
        {
            if (IsOwn(name)) continue;
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values)) body.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }

        if (target != appId && !request.Headers.Contains(CallerHeader))
        {
            request.Headers.TryAddWithoutValidation(CallerHeader, appId);
            request.Headers.TryAddWithoutValidation(CalleeHeader, target);
        }

        if (appApiToken is null) request.Headers.TryAddWithoutValidation(TargetHeader, target);
        else if (appApiToken.Length > 0) request.Headers.TryAddWithoutValidation(TokenHeader, appApiToken);
        return request;
    }

    private static bool IsOwn(string name) =>
        name.StartsWith(':')
        || name.Equals("Host", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)
        || name.Equals(TargetHeader, StringComparison.OrdinalIgnoreCase)
        || name.Equals(TokenHeader, StringComparison.OrdinalIgnoreCase);

    private static async Task AnswerAsync(HttpContext context, HttpResponseMessage from, CancellationToken stop)
    {
        var to = context.Response;
        to.StatusCode = (int)from.StatusCode;
        foreach (var (name, values) in from.Headers.NonValidated) to.Headers.Append(name, values.ToArray());
        foreach (var (name, values) in from.Content.Headers.NonValidated) to.Headers[name] = values.ToArray();
        await CopyAsync(await from.Content.ReadAsStreamAsync(stop), to, headersOnly: to.Headers.ContainsKey("grpc-status"), stop);
        foreach (var (name, values) in from.TrailingHeaders.NonValidated)
        {
            foreach (var value in values) to.AppendTrailer(name, value);
        }
    }

    /// <param name="headersOnly">The status came in the headers: nothing follows, and sending them early would take them apart.</param>
    private static async Task CopyAsync(Stream from, HttpResponse to, bool headersOnly, CancellationToken stop)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            while (true)
            {
                var reading = from.ReadAsync(buffer, stop);
                // While the app thinks, the caller gets the headers.
                if (!reading.IsCompleted && !to.HasStarted && !headersOnly) await to.StartAsync(stop);
                var count = await reading;
                if (count == 0) return;
                await to.BodyWriter.WriteAsync(buffer.AsMemory(0, count), stop);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
