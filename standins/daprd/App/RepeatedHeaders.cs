using System.Buffers;
using System.Buffers.Binary;

namespace Daprd.App;

/// <summary>
/// The outgoing side of an HTTP/2 connection. Sends a trace header with several values as several header fields, as daprd does: servers
/// count fields against their limits, and .NET's client joins the values with commas into one field.
/// </summary>
/// <remarks>Relies on how .NET's client encodes headers: no padding, priorities or Huffman coding, no dynamic table entries.</remarks>
internal sealed class RepeatedHeaders(Stream inner) : Stream
{
    private const int PrefaceBytes = 24;
    private const int FrameHeaderBytes = 9;
    private const int MaxFrameBytes = 16 * 1024;
    private const byte HeadersFrame = 1, ContinuationFrame = 9, EndHeaders = 4;

    private readonly ArrayBufferWriter<byte> frame = new(256);
    private readonly ArrayBufferWriter<byte> block = new(1024);
    private readonly ArrayBufferWriter<byte> fields = new(1024);
    private readonly ArrayBufferWriter<byte> output = new(4096);
    private readonly byte[] headersFrame = new byte[FrameHeaderBytes];
    private int passing = PrefaceBytes;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        output.ResetWrittenCount();
        Take(buffer.Span);
        if (output.WrittenCount > 0) await inner.WriteAsync(output.WrittenMemory, cancellationToken);
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        output.ResetWrittenCount();
        Take(buffer.AsSpan(offset, count));
        inner.Write(output.WrittenSpan);
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Buffers header frames until they are complete and passes everything else through.</summary>
    private void Take(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (passing > 0)
            {
                var passed = Math.Min(passing, bytes.Length);
                output.Write(bytes[..passed]);
                passing -= passed;
                bytes = bytes[passed..];
                continue;
            }

            var wanted = frame.WrittenCount < FrameHeaderBytes ? FrameHeaderBytes : FrameHeaderBytes + PayloadBytes();
            var taken = Math.Min(wanted - frame.WrittenCount, bytes.Length);
            frame.Write(bytes[..taken]);
            bytes = bytes[taken..];
            if (frame.WrittenCount < FrameHeaderBytes) return;
            if (frame.WrittenSpan[3] is not (HeadersFrame or ContinuationFrame))
            {
                output.Write(frame.WrittenSpan);
                passing = PayloadBytes();
                frame.ResetWrittenCount();
            }
            else if (frame.WrittenCount == FrameHeaderBytes + PayloadBytes())
            {
                Gather(frame.WrittenSpan);
                frame.ResetWrittenCount();
            }
        }
    }

    private int PayloadBytes() => (frame.WrittenSpan[0] << 16) | BinaryPrimitives.ReadUInt16BigEndian(frame.WrittenSpan[1..]);

    private void Gather(ReadOnlySpan<byte> frame)
    {
        if (frame[3] == HeadersFrame) frame[..FrameHeaderBytes].CopyTo(headersFrame);
        block.Write(frame[FrameHeaderBytes..]);
        if ((frame[4] & EndHeaders) == 0) return;
        fields.ResetWrittenCount();
        Split(block.WrittenSpan);
        block.ResetWrittenCount();
        var left = fields.WrittenSpan;
        for (var type = HeadersFrame; ; type = ContinuationFrame)
        {
            var part = left[..Math.Min(left.Length, MaxFrameBytes)];
            left = left[part.Length..];
            WriteFrame(type, isLast: left.IsEmpty, part);
            if (left.IsEmpty) return;
        }
    }

    private void WriteFrame(byte type, bool isLast, ReadOnlySpan<byte> payload)
    {
        var header = output.GetSpan(FrameHeaderBytes);
        headersFrame.CopyTo(header);
        header[0] = (byte)(payload.Length >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(header[1..], (ushort)payload.Length);
        header[3] = type;
        var flags = type == HeadersFrame ? headersFrame[4] & ~EndHeaders : 0;
        header[4] = (byte)(isLast ? flags | EndHeaders : flags);
        output.Advance(FrameHeaderBytes);
        output.Write(payload);
    }

    /// <summary>Copies the fields of a header block, a trace header once per value.</summary>
    private void Split(ReadOnlySpan<byte> block)
    {
        while (!block.IsEmpty)
        {
            var rest = block;
            var first = rest[0];
            var isIndexed = (first & 0x80) != 0;
            var isResize = (first & 0xE0) == 0x20;
            var index = ReadInteger(ref rest, isIndexed ? 7 : isResize ? 5 : (first & 0x40) != 0 ? 6 : 4);
            if (!isIndexed && !isResize)
            {
                var name = index == 0 ? ReadText(ref rest) : default;
                var value = ReadText(ref rest);
                if ((name.SequenceEqual("traceparent"u8) || name.SequenceEqual("grpc-trace-bin"u8)) && value.Contains((byte)','))
                {
                    foreach (var range in value.Split((byte)',')) WriteField(name, value[range].Trim((byte)' '));
                    block = rest;
                    continue;
                }
            }

            fields.Write(block[..^rest.Length]);
            block = rest;
        }
    }

    private static int ReadInteger(ref ReadOnlySpan<byte> from, int prefixBits)
    {
        var largest = (1 << prefixBits) - 1;
        var value = from[0] & largest;
        from = from[1..];
        if (value < largest) return value;
        for (var shift = 0; ; shift += 7)
        {
            var next = from[0];
            from = from[1..];
            value += (next & 0x7F) << shift;
            if ((next & 0x80) == 0) return value;
        }
    }

    private static ReadOnlySpan<byte> ReadText(ref ReadOnlySpan<byte> from)
    {
        var length = ReadInteger(ref from, 7);
        var text = from[..length];
        from = from[length..];
        return text;
    }

    private void WriteField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        // Literal header field without indexing.
        fields.Write<byte>([0]);
        WriteText(name);
        WriteText(value);
    }

    private void WriteText(ReadOnlySpan<byte> text)
    {
        const int Largest = 127;
        if (text.Length < Largest) fields.Write<byte>([(byte)text.Length]);
        else
        {
            fields.Write<byte>([Largest]);
            var left = text.Length - Largest;
            for (; left >= 0x80; left >>= 7) fields.Write<byte>([(byte)(left | 0x80)]);
            fields.Write<byte>([(byte)left]);
        }

        fields.Write(text);
    }
}
