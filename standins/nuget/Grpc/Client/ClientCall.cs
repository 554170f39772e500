using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>A call over one HTTP/2 stream, from its headers to its status, whatever its messages are.</summary>
internal abstract class ClientCall : IDisposable
{
    /// <summary>What a timer can hold, about 49 days. A longer deadline is as good as none.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly GrpcChannel channel;
    private readonly CancellationTokenSource source;
    private readonly HttpRequestMessage request;
    private HttpResponseMessage? response;
    private Task<MessageReader?>? responding;
    private Task<Metadata>? responseHeaders;
    private Metadata? trailers;
    private Status status;
    private bool finished;
    private bool disposed;

    protected ClientCall(GrpcChannel channel, IMethod method, string? host, CallOptions options)
    {
        this.channel = channel;
        Options = options;
        ObjectDisposedException.ThrowIf(channel.Disposed.IsCancellationRequested, channel);
        source = CancellationTokenSource.CreateLinkedTokenSource(options.CancellationToken, channel.Disposed);
        Token = source.Token;
        request = ClientRequest.Create(channel.AddressOf(method), host, options.Headers);
    }

    public Task<Metadata> ResponseHeadersAsync => responseHeaders ??= ReadHeadersAsync();

    /// <summary>Cancelled when the caller gives up, by token, deadline or disposal.</summary>
    protected CancellationToken Token { get; }

    protected CallOptions Options { get; }

    protected GrpcChannelOptions Limits => channel.Options;

    /// <summary>The status, once the call has one.</summary>
    protected Status? Ended
    {
        get
        {
            lock (request)
            {
                return finished ? status : null;
            }
        }
    }

    public Status GetStatus() =>
        Ended ?? throw new InvalidOperationException("Unable to get the status because the call is not complete.");

    public Metadata GetTrailers() => Ended is not null
        ? trailers ?? Metadata.Empty
        : throw new InvalidOperationException("Unable to get the trailers because the call is not complete.");

    public void Dispose()
    {
        if (Finish(new Status(StatusCode.Cancelled, "gRPC call disposed.")))
        {
            disposed = true;
            source.Cancel();
        }

        Release();
    }

    /// <summary>Cancels the call as if by its own token.</summary>
    public void Cancel()
    {
        if (Finish(new Status(StatusCode.Cancelled, "Call canceled by the client.")))
        {
            source.Cancel();
        }
    }

    protected void Begin(HttpContent content)
    {
        request.Content = content;
        if (Options.Deadline is { } deadline && deadline != DateTime.MaxValue)
        {
            var timeout = deadline.ToUniversalTime() - DateTime.UtcNow;
            if (timeout <= TimeSpan.Zero)
            {
                Finish(Late);
                responding = Task.FromResult<MessageReader?>(null);
                return;
            }

            request.Headers.TryAddWithoutValidation(GrpcTimeout.Header, GrpcTimeout.Format(timeout));
            if (timeout < Longest)
            {
                source.CancelAfter(timeout + TimeSpan.FromMilliseconds(1));
            }
        }

        responding = RespondAsync();
    }

    /// <returns>The next message; null at the end, when the call has its status.</returns>
    /// <exception cref="RpcException">The call failed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    protected async ValueTask<T?> ReadAsync<T>(Marshaller<T> marshaller)
        where T : class
    {
        try
        {
            if (Ended is null && await responding!.ConfigureAwait(false) is { } messages)
            {
                if (await messages.ReadAsync(marshaller, Token).ConfigureAwait(false) is { } message)
                {
                    return message;
                }

                (var received, trailers) = ResponseStatus.AtEnd(response!);
                Finish(received);
            }
        }
        catch (Exception e)
        {
            throw Fail(e);
        }

        var ended = GetStatus();
        Release();
        return ended.StatusCode == StatusCode.OK ? null : throw Failure(ended);
    }

    /// <summary>Ends the call with what <paramref name="e"/> means for it.</summary>
    protected Exception Fail(Exception e)
    {
        if (Finish(StatusOf(e)))
        {
            source.Cancel();
        }

        Release();
        return Failure(GetStatus());
    }

    /// <summary>What a caller is told about a status that is not OK.</summary>
    protected Exception Failure(Status failed)
    {
        var rpc = new RpcException(failed, trailers ?? Metadata.Empty);
        var givenUp = failed.StatusCode is StatusCode.Cancelled or StatusCode.DeadlineExceeded
            && (Token.IsCancellationRequested || disposed || failed.Detail == Late.Detail);
        return channel.Options.ThrowOperationCanceledOnCancellation && givenUp
            ? new OperationCanceledException(failed.Detail, rpc, Options.CancellationToken)
            : rpc;
    }

    /// <summary>Told once, when the call has its status.</summary>
    protected virtual void OnFinished()
    {
    }

    private static Status Late => new(StatusCode.DeadlineExceeded, "");

    private async Task<MessageReader?> RespondAsync()
    {
        try
        {
            response = channel.Http is HttpClient client
                ? await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token).ConfigureAwait(false)
                : await channel.Http.SendAsync(request, Token).ConfigureAwait(false);

            if (ResponseStatus.AtStart(response) is var (received, headers))
            {
                trailers = headers;
                Finish(received);
            }

            if (Ended is not null)
            {
                Release();
                return null;
            }

            return new MessageReader(
                System.IO.Pipelines.PipeReader.Create(response.Content.ReadAsStream(Token)),
                ResponseStatus.Value(response.Headers, Frame.EncodingHeader),
                channel.Options.MaxReceiveMessageSize);
        }
        catch (Exception e)
        {
            Finish(StatusOf(e));
            Release();
            return null;
        }
    }

    private async Task<Metadata> ReadHeadersAsync()
    {
        await responding!.ConfigureAwait(false);
        return response is null ? throw Failure(GetStatus()) : ResponseStatus.Metadata(response.Headers);
    }

    protected Status StatusOf(Exception e)
    {
        if (Options.CancellationToken.IsCancellationRequested)
        {
            return new Status(StatusCode.Cancelled, "Call canceled by the client.", e);
        }

        if (channel.Disposed.IsCancellationRequested)
        {
            return new Status(StatusCode.Cancelled, "The channel was disposed of during the call.", e);
        }

        // Nothing else cancels a call that has no status yet.
        return Token.IsCancellationRequested || Options.Deadline?.ToUniversalTime() <= DateTime.UtcNow
            ? Late
            : TransportFailure.StatusOf(e, channel.Address);
    }

    private bool Finish(Status final)
    {
        lock (request)
        {
            if (finished)
            {
                return false;
            }

            status = final;
            finished = true;
        }

        OnFinished();
        return true;
    }

    private void Release()
    {
        response?.Dispose();
        request.Dispose();
        source.Dispose();
    }
}
