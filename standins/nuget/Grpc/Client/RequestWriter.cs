using Grpc.Core;

namespace Grpc.Net.Client;

internal sealed class RequestWriter<TRequest, TResponse>(
    ClientCall<TRequest, TResponse> call, WriteOptions? writeOptions) : IClientStreamWriter<TRequest>
    where TRequest : class
    where TResponse : class
{
    private int writing;
    private bool completed;

    public WriteOptions? WriteOptions { get; set; } = writeOptions;

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (completed)
        {
            throw new InvalidOperationException("Request stream has already been completed.");
        }

        if (call.WhyNoWrite() is { } reason)
        {
            throw reason;
        }

        if (Interlocked.Exchange(ref writing, 1) == 1)
        {
            throw new InvalidOperationException("Can't write the message because the previous write is in progress.");
        }

        try
        {
            using var frame = call.Serialize(message);
            using var registration = cancellationToken.UnsafeRegister(static call => ((ClientCall)call!).Cancel(), call);
            var flush = (WriteOptions?.Flags & WriteFlags.BufferHint) != WriteFlags.BufferHint;
            await call.Way!.WriteAsync(frame.Bytes, flush).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw await call.WriteFailureAsync(e).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref writing, 0);
        }
    }

    public Task CompleteAsync()
    {
        completed = true;
        call.Way?.Complete();
        return Task.CompletedTask;
    }
}
