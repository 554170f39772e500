using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;

namespace Grpc.Wire;

/// <summary>The messages in a request or response body, read where the transport put them.</summary>
internal sealed class MessageReader(PipeReader body, string? encoding, int? maxLength)
{
    private readonly Payload payload = new();
    private bool ended;

    /// <returns>Null at the end of the body.</returns>
    /// <exception cref="RpcException">The body is not a series of messages, or one is too long or cannot be read.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<T?> ReadAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
        where T : class
    {
        while (!ended)
        {
            var result = await body.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (result.IsCanceled)
            {
                throw new OperationCanceledException("Reading was cancelled.");
            }

            var rest = result.Buffer;
            if (TryTake(ref rest, out var compressed, out var bytes))
            {
                var message = payload.Read(
                    compressed ? Frame.Decompress(bytes, encoding, maxLength) : bytes, marshaller.ContextualDeserializer);
                ended = result.IsCompleted && rest.IsEmpty;
                body.AdvanceTo(rest.Start);
                return message;
            }

            if (result.IsCompleted)
            {
                ended = true;
                var complete = rest.IsEmpty;
                body.AdvanceTo(rest.End);
                return complete ? null : throw Frame.Failure(StatusCode.Internal, "Incomplete message.");
            }

            body.AdvanceTo(rest.Start, rest.End);
        }

        return null;
    }

    private bool TryTake(ref ReadOnlySequence<byte> rest, out bool compressed, out ReadOnlySequence<byte> bytes)
    {
        compressed = false;
        bytes = default;
        if (rest.Length < Frame.HeaderLength)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[Frame.HeaderLength];
        rest.Slice(0, Frame.HeaderLength).CopyTo(header);

        (compressed, var length) = Frame.ReadHeader(header, maxLength);
        if (rest.Length - Frame.HeaderLength < length)
        {
            return false;
        }

        bytes = rest.Slice(Frame.HeaderLength, length);
        rest = rest.Slice(bytes.End);
        return true;
    }
}
