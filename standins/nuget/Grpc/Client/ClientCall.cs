using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>A call, from its headers to its status, whatever its messages are.</summary>
internal abstract class ClientCall(GrpcChannel channel, IMethod method, string? host, CallOptions options) : IDisposable
{
    /// <summary>What a timer can hold, about 49 days. A longer deadline is as good as none.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private Exchange? exchange;
    private MessageReader? messages;
    private Task<MessageReader?>? responding;
    private CancellationTokenRegistration registration;
    private Timer? clock;
    private Metadata? trailers;
    private Status status;
    private bool finished;

    /// <summary>True when it was this side that did not want to wait any longer.</summary>
    private bool gaveUp;

    public Task<Metadata> ResponseHeadersAsync => field ??= ReadHeadersAsync();

    protected CallOptions Options => options;

    protected GrpcChannelOptions Limits => channel.Options;

    /// <summary>Null when the call was over before it began.</summary>
    protected Exchange? Exchange => exchange;

    /// <summary>The status, once the call has one.</summary>
    protected Status? Ended
    {
        get
        {
            lock (this)
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
        GiveUp(new Status(StatusCode.Cancelled, "gRPC call disposed."));
        Release();
    }

    /// <summary>Cancels the call as if by its own token.</summary>
    public void Cancel() => GiveUp(Cancelled);

    /// <param name="only">The one message to send. Null: they will be written one by one.</param>
    protected void Begin(PooledFrame? only)
    {
        TimeSpan? timeout = options.Deadline is { } deadline && deadline != DateTime.MaxValue ? deadline.ToUniversalTime() - DateTime.UtcNow : null;
        if (options.CancellationToken.IsCancellationRequested || timeout <= TimeSpan.Zero)
        {
            GiveUp(options.CancellationToken.IsCancellationRequested ? Cancelled : Late);
            only?.Dispose();
            return;
        }

        RequestHead.Check(options.Headers);
        var patient = method.Type is MethodType.Unary or MethodType.ClientStreaming;
        exchange = channel.Open(new RequestHead(host ?? channel.Address.Authority, method.FullName, options.Headers, timeout), only, patient);
        if (options.CancellationToken.CanBeCanceled)
        {
            registration = options.CancellationToken.UnsafeRegister(static call => ((ClientCall)call!).Cancel(), this);
        }

        if (timeout < Longest)
        {
            clock = new Timer(static call => ((ClientCall)call!).GiveUp(Late), this, timeout.Value + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }

        if (!patient)
        {
            responding = RespondAsync().AsTask();
        }
    }

    /// <returns>The next message; null at the end, when the call has its status.</returns>
    /// <exception cref="RpcException">The call failed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    protected async ValueTask<T?> ReadAsync<T>(Marshaller<T> marshaller)
        where T : class
    {
        try
        {
            if (Ended is null && (messages ??= await (responding is null ? RespondAsync() : new(responding)).ConfigureAwait(false)) is { } reader)
            {
                if (await reader.ReadAsync(marshaller, exchange!.Cancelled).ConfigureAwait(false) is { } message)
                {
                    return message;
                }

                (var received, trailers) = ResponseStatus.AtEnd(exchange!.Trailers);
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
            exchange?.Cancel();
        }

        Release();
        return Failure(GetStatus());
    }

    /// <summary>What a caller is told about a status that is not OK.</summary>
    protected Exception Failure(Status failed)
    {
        var rpc = new RpcException(failed, trailers ?? Metadata.Empty);
        return channel.Options.ThrowOperationCanceledOnCancellation && GaveUp(failed)
            ? new OperationCanceledException(failed.Detail, rpc, options.CancellationToken)
            : rpc;
    }

    /// <summary>What an exception on the way means.</summary>
    protected Status StatusOf(Exception e) =>
        options.CancellationToken.IsCancellationRequested ? new Status(StatusCode.Cancelled, Cancelled.Detail, e)
        : channel.IsDisposed ? new Status(StatusCode.Cancelled, "The channel was disposed of during the call.", e)
        : IsLate ? Late
        : TransportFailure.StatusOf(e, channel.Address);

    /// <summary>Told once, when the call has its status.</summary>
    protected virtual void OnFinished()
    {
    }

    private static Status Cancelled => new(StatusCode.Cancelled, "Call canceled by the client.");

    private static Status Late => new(StatusCode.DeadlineExceeded, "");

    private bool IsLate => options.Deadline?.ToUniversalTime() <= DateTime.UtcNow;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<MessageReader?> RespondAsync()
    {
        try
        {
            await exchange!.AnsweredAsync().ConfigureAwait(false);
            if (ResponseStatus.AtStart(exchange.Headers) is var (received, headers))
            {
                trailers = headers;
                Finish(received);
            }

            if (Ended is null)
            {
                return new MessageReader(exchange.Body, exchange.Headers[Frame.EncodingHeader], channel.Options.MaxReceiveMessageSize);
            }
        }
        catch (Exception e)
        {
            Finish(StatusOf(e));
        }

        Release();
        return null;
    }

    private async Task<Metadata> ReadHeadersAsync()
    {
        if (exchange is null)
        {
            throw Failure(GetStatus());
        }

        try
        {
            await exchange.HeadersAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Finish(StatusOf(e));
            throw Failure(GetStatus());
        }

        return ResponseStatus.Metadata(exchange.Headers);
    }

    private void GiveUp(Status why)
    {
        if (Finish(why))
        {
            gaveUp = true;
            exchange?.Cancel();
        }
    }

    private bool GaveUp(Status failed) => failed.StatusCode is StatusCode.Cancelled or StatusCode.DeadlineExceeded
        && (gaveUp || options.CancellationToken.IsCancellationRequested || channel.IsDisposed || IsLate);

    private bool Finish(Status final)
    {
        lock (this)
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
        registration.Unregister();
        clock?.Dispose();
        exchange?.Dispose();
    }
}
