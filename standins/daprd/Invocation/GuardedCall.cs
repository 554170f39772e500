using System.Globalization;
using Daprd.Resiliency;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Invocation;

/// <summary>
/// A call that is passed on under a resiliency policy, from its beginning to its end. Nobody says whether it is a stream: what the app
/// answers is passed on as it comes, so an attempt that fails after that is seen by the caller, and a second message of the caller's
/// ends a call that may be retried.
/// </summary>
internal sealed class GuardedCall(HttpContext context, Hop hop, Policy policy, int maxMessageBytes, Func<RequestBody, HttpRequestMessage> request)
{
    private KeptMessage? _kept;

    public async Task RunAsync()
    {
        try
        {
            if (policy.Retries) _kept = await KeptMessage.ReadAsync(context.Request.BodyReader, maxMessageBytes, context.RequestAborted);
            await policy.RunAsync(AttemptAsync, context.RequestAborted, final: _ => _kept is { WasNotAll: true });
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        catch (AppFailure failure)
        {
            failure.Write(context.Response);
        }
        catch (Exception failure)
        {
            var status = PolicyEnd.StatusOf(failure);
            GrpcAnswer.Write(context.Response, status.StatusCode, status.Detail);
        }
    }

    private async Task AttemptAsync(CancellationToken limit)
    {
        if (!hop.IsHealthy) throw new RpcException(new Status(StatusCode.Internal, Hop.Unhealthy));
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, limit);
        var body = new RequestBody(context.Request, maxMessageBytes, ended.Token, _kept);
        try
        {
            using var message = request(body);
            using var response = await hop.Invoker.SendAsync(message, ended.Token);
            await AnswerAsync(response, ended.Token);
        }
        catch (Exception) when (_kept is { WasNotAll: true })
        {
            throw new RpcException(new Status(StatusCode.FailedPrecondition, "cannot use resiliency policies with retries on streaming RPCs"));
        }
        catch (Exception) when (body.TooLong is not null)
        {
            throw body.TooLong;
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException && !ended.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, $"the app cannot be reached: {failure.Message}"));
        }
        finally
        {
            await ended.CancelAsync();
            await body.Finished;
        }
    }

    private async Task AnswerAsync(HttpResponseMessage from, CancellationToken stop)
    {
        var to = context.Response;
        var stream = await from.Content.ReadAsStreamAsync(stop);
        var buffer = new byte[16 * 1024];
        var limit = new MessageLimit(maxMessageBytes);
        while (await stream.ReadAsync(buffer, stop) is > 0 and var count)
        {
            limit.Take(buffer.AsSpan(0, count));
            if (!to.HasStarted) WriteHeaders(from);
            await to.BodyWriter.WriteAsync(buffer.AsMemory(0, count), stop);
        }

        var trailers = (from.TrailingHeaders.Any() ? from.TrailingHeaders : from.Headers).NonValidated;
        if (!trailers.TryGetValues("grpc-status", out var code) || code.ToString() != "0") throw new AppFailure(trailers);
        if (!to.HasStarted) WriteHeaders(from);
        foreach (var (name, values) in from.TrailingHeaders.NonValidated)
        {
            foreach (var value in values) to.AppendTrailer(name, value);
        }
    }

    private void WriteHeaders(HttpResponseMessage from)
    {
        foreach (var (name, values) in from.Headers.NonValidated) context.Response.Headers[name] = values.ToArray();
        foreach (var (name, values) in from.Content.Headers.NonValidated) context.Response.Headers[name] = values.ToArray();
    }

    /// <summary>The app's own failure, with all it said about it.</summary>
    private sealed class AppFailure : RpcException
    {
        private readonly List<(string Name, string Value)> _trailers;

        public AppFailure(System.Net.Http.Headers.HttpHeadersNonValidated trailers)
            : base(new Status(CodeOf(trailers), "the app has failed")) =>
            _trailers = [.. trailers.SelectMany(t => t.Value.Select(value => (t.Key, value)))];

        public void Write(HttpResponse to)
        {
            if (to.HasStarted)
            {
                foreach (var (name, value) in _trailers) to.AppendTrailer(name, value);
                return;
            }

            to.ContentType = "application/grpc";
            foreach (var (name, value) in _trailers) to.Headers.Append(name, value);
        }

        private static StatusCode CodeOf(System.Net.Http.Headers.HttpHeadersNonValidated trailers) =>
            trailers.TryGetValues("grpc-status", out var code) && int.TryParse(code.ToString(), CultureInfo.InvariantCulture, out var number)
                ? (StatusCode)number
                : StatusCode.Unknown;
    }
}
