using System.IO.Pipelines;

namespace Grpc.Net.Client;

/// <summary>One HTTP/2 request and what is answered to it, whoever carries them. One reader and one writer at a time.</summary>
internal abstract class Exchange : IDisposable
{
    public abstract Fields Headers { get; }

    /// <summary>Known when the body has ended.</summary>
    public abstract Fields Trailers { get; }

    public abstract PipeReader Body { get; }

    /// <summary>What a read of the body must be told for it to end with <see cref="Cancel"/>, if it does not by itself.</summary>
    public virtual CancellationToken Cancelled => CancellationToken.None;

    /// <summary>Completes when the body can be read; where one answer is due, that may be when all of it is there.</summary>
    public abstract ValueTask AnsweredAsync();

    /// <summary>Completes when the answer has begun.</summary>
    public abstract Task HeadersAsync();

    /// <summary>Completes when the bytes are no longer needed.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, bool flush);

    /// <summary>No more will be written.</summary>
    public abstract void Complete();

    /// <summary>Gives up: tells the server, and fails whoever waits.</summary>
    public abstract void Cancel();

    public abstract void Dispose();
}
