using System.Net;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>The body of a call with a stream of requests: open until the writer completes it or the call ends.</summary>
internal sealed class RequestStreamContent : HttpContent
{
    private readonly TaskCompletionSource<Stream?> opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RequestStreamContent() => Headers.TryAddWithoutValidation("Content-Type", Frame.ContentType);

    /// <summary>Where to write; null when the call ended before there was such a place.</summary>
    public Task<Stream?> Opened => opened.Task;

    public void Complete() => completed.TrySetResult();

    /// <summary>The call is over. If the requests are not complete, the server must not take them for it.</summary>
    public void End()
    {
        opened.TrySetResult(null);
        completed.TrySetCanceled();
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // Sends the headers: the server may have something to say before the first request.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        opened.TrySetResult(stream);
        await completed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
