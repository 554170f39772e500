using System.Net;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>The body of a call with one request.</summary>
internal sealed class RequestContent : HttpContent
{
    private const int Idle = 0;
    private const int Sending = 1;
    private const int Disposed = 2;

    private readonly PooledFrame frame;
    private int state = Idle;

    public RequestContent(PooledFrame frame)
    {
        this.frame = frame;
        Headers.TryAddWithoutValidation("Content-Type", Frame.ContentType);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (Interlocked.CompareExchange(ref state, Sending, Idle) != Idle)
        {
            throw new IOException("The call ended before its request was sent.");
        }

        await stream.WriteAsync(frame.Bytes, cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref state, Idle);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        // A call may end while its request is still being sent; then the buffer is not given back.
        if (disposing && Interlocked.CompareExchange(ref state, Disposed, Idle) == Idle)
        {
            frame.Dispose();
        }

        base.Dispose(disposing);
    }
}
