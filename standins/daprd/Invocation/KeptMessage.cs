using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Grpc.Core;

namespace Daprd.Invocation;

/// <summary>The one message of a unary call, kept for another attempt.</summary>
internal sealed class KeptMessage
{
    private const int PrefixLength = 5;

    private bool _ended;

    private KeptMessage(byte[] bytes) => Bytes = bytes;

    /// <summary>With its length before it; empty when the caller sent none.</summary>
    public byte[] Bytes { get; }

    /// <summary>Whether the caller has sent more than one, and so means a stream.</summary>
    public bool WasNotAll { get; private set; }

    /// <summary>Throws <see cref="RpcException"/> when the message is longer than allowed.</summary>
    public static async Task<KeptMessage> ReadAsync(PipeReader from, int maxMessageBytes, CancellationToken stop)
    {
        while (true)
        {
            var read = await from.ReadAsync(stop);
            var length = Length(read.Buffer);
            if (length > PrefixLength) new MessageLimit(maxMessageBytes).Take(read.Buffer.Slice(0, PrefixLength).ToArray());
            if (read.Buffer.Length >= length)
            {
                var message = new KeptMessage(read.Buffer.Slice(0, length).ToArray());
                from.AdvanceTo(read.Buffer.GetPosition(length));
                return message;
            }

            if (read.IsCompleted)
            {
                from.AdvanceTo(read.Buffer.End);
                return new KeptMessage([]) { _ended = true };
            }

            from.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>Throws when the caller sends another message.</summary>
    public async Task ExpectEndAsync(PipeReader from, CancellationToken stop)
    {
        while (!_ended)
        {
            var read = await from.ReadAsync(stop);
            WasNotAll = !read.Buffer.IsEmpty;
            _ended = read.IsCompleted;
            from.AdvanceTo(read.Buffer.Start);
            if (WasNotAll) throw new IOException("the caller has sent a second message");
        }
    }

    private static long Length(ReadOnlySequence<byte> start)
    {
        if (start.Length < PrefixLength) return PrefixLength;
        Span<byte> prefix = stackalloc byte[PrefixLength];
        start.Slice(0, PrefixLength).CopyTo(prefix);
        return PrefixLength + BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
    }
}
