using System.Buffers;
using Grpc.Core;

namespace Grpc.Wire;

/// <summary>One message to send, serialized into a rented buffer together with its header.</summary>
internal sealed class PooledFrame : SerializationContext, IBufferWriter<byte>, IDisposable
{
    private const int SmallestBuffer = 256;

    private readonly int? maxLength;
    private byte[] buffer = [];
    private int written;

    /// <param name="maxLength">Bytes of the message; null: no limit.</param>
    public PooledFrame(int? maxLength) => this.maxLength = maxLength;

    /// <summary>Header and message.</summary>
    public ReadOnlyMemory<byte> Bytes => buffer.AsMemory(0, written);

    public PooledFrame Fill<T>(T message, Action<T, SerializationContext> serialize)
    {
        Ensure(Frame.HeaderLength);
        written = Frame.HeaderLength;
        serialize(message, this);
        return this;
    }

    public override void SetPayloadLength(int payloadLength)
    {
        Check(payloadLength);
        Ensure(payloadLength);
    }

    public override IBufferWriter<byte> GetBufferWriter() => this;

    public override void Complete(byte[] payload)
    {
        SetPayloadLength(payload.Length);
        payload.CopyTo(buffer.AsSpan(written));
        written += payload.Length;
        Complete();
    }

    public override void Complete()
    {
        Check(written - Frame.HeaderLength);
        Frame.WriteHeader(buffer, written - Frame.HeaderLength);
    }

    public void Advance(int count) => written += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Ensure(Math.Max(sizeHint, 1));
        return buffer.AsMemory(written);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Ensure(Math.Max(sizeHint, 1));
        return buffer.AsSpan(written);
    }

    public void Dispose()
    {
        var returned = Interlocked.Exchange(ref buffer, []);
        if (returned.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(returned);
        }
    }

    private void Check(int length)
    {
        if (length > maxLength)
        {
            throw Frame.TooLong("to send", length, maxLength.Value);
        }
    }

    private void Ensure(int more)
    {
        if (buffer.Length - written >= more)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(written + more, buffer.Length * 2), SmallestBuffer));
        buffer.AsSpan(0, written).CopyTo(larger);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = larger;
    }
}
