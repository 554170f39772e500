using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <inheritdoc cref="ClientCall"/>
internal sealed class ClientCall<TRequest, TResponse>(
    GrpcChannel channel, Method<TRequest, TResponse> method, string? host, CallOptions options)
    : ClientCall(channel, method, host, options), IAsyncStreamReader<TResponse>
    where TRequest : class
    where TResponse : class
{
    /// <summary>Set when the call has its status. Only a call that writes its requests one by one has it.</summary>
    private TaskCompletionSource? over;
    private TResponse? current;
    private int reading;

    public TResponse Current => current ?? throw new InvalidOperationException("There is no current message: MoveNext has found none.");

    /// <summary>Where requests are written; null when the call was over before it began.</summary>
    public Exchange? Way => Exchange;

    /// <summary>Sends the one request of a call that has one.</summary>
    public void Send(TRequest request)
    {
        try
        {
            Begin(Serialize(request));
        }
        catch (RpcException e)
        {
            throw Fail(e);
        }
    }

    public IClientStreamWriter<TRequest> SendStream()
    {
        over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Begin(only: null);
        return new RequestWriter<TRequest, TResponse>(this, Options.WriteOptions);
    }

    public PooledFrame Serialize(TRequest message)
    {
        var frame = new PooledFrame(Limits.MaxSendMessageSize);
        try
        {
            return frame.Fill(message, method.RequestMarshaller.ContextualSerializer);
        }
        catch (Exception e)
        {
            frame.Dispose();
            throw e as RpcException ?? new RpcException(new Status(StatusCode.Internal, "The message cannot be serialized.", e));
        }
    }

    /// <summary>The one response of a call that has one, after the call has ended well.</summary>
    public async Task<TResponse> ReadOnlyAsync()
    {
        var message = await ReadAsync(method.ResponseMarshaller).ConfigureAwait(false)
            ?? throw new RpcException(new Status(StatusCode.Internal, "The call ended well, but without its response."));
        return await ReadAsync(method.ResponseMarshaller).ConfigureAwait(false) is null
            ? message
            : throw Fail(Frame.Failure(StatusCode.Internal, "Additional data after the message received."));
    }

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref reading, 1) == 1)
        {
            throw new InvalidOperationException("Can't read the next message because the previous read is still in progress.");
        }

        try
        {
            using var registration = cancellationToken.UnsafeRegister(static call => ((ClientCall)call!).Cancel(), this);
            current = await ReadAsync(method.ResponseMarshaller).ConfigureAwait(false);
            return current is not null;
        }
        finally
        {
            Volatile.Write(ref reading, 0);
        }
    }

    /// <summary>What a failed write of a request means: the call's own status, once it is known.</summary>
    public async ValueTask<Exception> WriteFailureAsync(Exception e)
    {
        if (method.Type == MethodType.ClientStreaming)
        {
            // The server may have answered before it heard everything; somebody is reading that answer already.
            await over!.Task.ConfigureAwait(false);
        }

        // A conversation goes on for its reader, who will find the server's own word in it.
        return WhyNoWrite() ?? Failure(StatusOf(e));
    }

    public Exception? WhyNoWrite() => Ended is not { } status ? null : status.StatusCode == StatusCode.OK ? Complete() : Failure(status);

    protected override void OnFinished() => over?.TrySetResult();

    private static InvalidOperationException Complete() => new("Can't write the message because the call is complete.");
}
