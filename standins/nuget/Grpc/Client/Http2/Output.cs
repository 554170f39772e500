using System.Buffers.Binary;

namespace Grpc.Net.Client.Http2;

/// <summary>Frames on their way out, one after the other.</summary>
internal sealed class Output
{
    private const int Usual = 32 * 1024;

    private byte[] bytes = new byte[Usual];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => bytes.AsMemory(0, Length);

    /// <returns>At least <paramref name="count"/> bytes, to be filled and then advanced over.</returns>
    public Span<byte> Reserve(int count)
    {
        if (bytes.Length - Length < count)
        {
            Array.Resize(ref bytes, Math.Max(bytes.Length * 2, Length + count));
        }

        return bytes.AsSpan(Length);
    }

    public void Advance(int count) => Length += count;

    public void Write(ReadOnlySpan<byte> more)
    {
        more.CopyTo(Reserve(more.Length));
        Length += more.Length;
    }

    public void Frame(FrameType type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        FrameHead.Write(Reserve(FrameHead.Length + payload.Length), payload.Length, type, flags, stream);
        Length += FrameHead.Length;
        Write(payload);
    }

    public void Frame(FrameType type, int stream, uint number)
    {
        Span<byte> payload = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(payload, number);
        Frame(type, 0, stream, payload);
    }

    /// <summary>The head of a frame whose length is not known yet.</summary>
    /// <returns>Where the frame begins.</returns>
    public int Open()
    {
        Reserve(FrameHead.Length);
        Length += FrameHead.Length;
        return Length - FrameHead.Length;
    }

    /// <summary>Makes what was written since a frame was opened HEADERS, and as many CONTINUATIONs as it takes.</summary>
    public void CloseHeaders(int start, int stream)
    {
        var length = Length - start - FrameHead.Length;
        if (length <= FrameHead.MaxPayload)
        {
            FrameHead.Write(bytes.AsSpan(start), length, FrameType.Headers, FrameHead.EndHeaders, stream);
            return;
        }

        var block = bytes.AsSpan(start + FrameHead.Length, length).ToArray();
        Length = start;
        for (var sent = 0; sent < length; sent += FrameHead.MaxPayload)
        {
            var piece = block.AsSpan(sent, Math.Min(FrameHead.MaxPayload, length - sent));
            Frame(
                sent == 0 ? FrameType.Headers : FrameType.Continuation,
                sent + piece.Length == length ? FrameHead.EndHeaders : (byte)0,
                stream,
                piece);
        }
    }

    public void Clear()
    {
        Length = 0;
        bytes = bytes.Length > 8 * Usual ? new byte[Usual] : bytes;
    }
}
