using System.IO.Pipelines;
using System.Net;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Invocation;

/// <summary>Streams the caller's request body to the app.</summary>
/// <param name="maxMessageBytes">A longer message ends the call.</param>
internal sealed class RequestBody(HttpRequest request, int maxMessageBytes, CancellationToken ct) : HttpContent
{
    private readonly TaskCompletionSource finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly MessageLimit limit = new(maxMessageBytes);
    private bool begun;

    /// <summary>The error for a message over the size limit; null if there was none.</summary>
    public RpcException? TooLong { get; private set; }

    /// <summary>Completes when the caller's body is no longer read; already completed if it never was.</summary>
    public Task Finished => Volatile.Read(ref begun) ? finished.Task : Task.CompletedTask;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => CopyAsync(stream);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) => CopyAsync(stream);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    private async Task CopyAsync(Stream to)
    {
        Volatile.Write(ref begun, true);
        try
        {
            var from = request.BodyReader;
            if (!from.TryRead(out var read))
            {
                // The caller may wait for the app's headers before it sends a message.
                await to.FlushAsync(ct);
                read = await from.ReadAsync(ct);
            }

            while (true)
            {
                foreach (var segment in read.Buffer)
                {
                    limit.Take(segment.Span);
                    await to.WriteAsync(segment, ct);
                }

                from.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) return;
                await to.FlushAsync(ct);
                read = await from.ReadAsync(ct);
            }
        }
        catch (RpcException tooLong)
        {
            TooLong = tooLong;
            throw;
        }
        finally
        {
            finished.TrySetResult();
        }
    }
}
