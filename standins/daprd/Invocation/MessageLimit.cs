using Grpc.Core;

namespace Daprd.Invocation;

/// <summary>Enforces the message size limit on a stream of gRPC bytes that arrives in arbitrary chunks.</summary>
/// <param name="bytes">Maximum size of one message without its prefix.</param>
internal sealed class MessageLimit(int bytes)
{
    /// <summary>A compression flag and four bytes of length.</summary>
    private const int PrefixLength = 5;

    private int prefix;
    private uint length;
    private long left;

    /// <summary>Throws <see cref="RpcException"/> as soon as the length prefix of a message exceeds the limit.</summary>
    public void Take(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            if (left > 0)
            {
                var rest = (int)Math.Min(left, piece.Length);
                left -= rest;
                piece = piece[rest..];
                continue;
            }

            if (prefix++ > 0) length = (length << 8) | piece[0];
            piece = piece[1..];
            if (prefix < PrefixLength) continue;
            if (length > bytes)
            {
                throw new RpcException(new Status(StatusCode.ResourceExhausted, $"grpc: received message larger than max ({length} vs. {bytes})"));
            }

            (left, prefix, length) = (length, 0, 0);
        }
    }
}
