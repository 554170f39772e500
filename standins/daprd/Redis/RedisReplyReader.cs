using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;

namespace Daprd.Redis;

/// <summary>Parses replies from a stream of bytes.</summary>
internal sealed class RedisReplyReader(PipeReader input)
{
    /// <summary>Throws <see cref="EndOfStreamException"/> if Redis closed the connection.</summary>
    public async ValueTask<RedisReply> ReadAsync(CancellationToken ct)
    {
        while (true)
        {
            if (input.TryRead(out var read) || !(read = await input.ReadAsync(ct)).IsCanceled)
            {
                var reader = new SequenceReader<byte>(read.Buffer);
                if (TryParse(ref reader, out var reply))
                {
                    input.AdvanceTo(reader.Position);
                    return reply;
                }

                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                if (read.IsCompleted) throw new EndOfStreamException("Redis closed the connection");
            }
        }
    }

    private static bool TryParse(ref SequenceReader<byte> reader, out RedisReply reply)
    {
        reply = default;
        if (!reader.TryReadTo(out ReadOnlySequence<byte> line, "\r\n"u8)) return false;
        var head = line.IsSingleSegment ? line.FirstSpan : line.ToArray();
        if (head.Length == 0) throw new InvalidDataException("an empty line where a reply should begin");
        var rest = head[1..];
        switch (head[0])
        {
            case (byte)'+':
                reply = RedisReply.OfText(rest.ToArray());
                return true;
            case (byte)'-':
                reply = RedisReply.OfError(rest.ToArray());
                return true;
            case (byte)':':
                reply = RedisReply.OfInteger(Number(rest));
                return true;
            case (byte)'$':
                return TryParseText(ref reader, Number(rest), out reply);
            case (byte)'*':
                return TryParseArray(ref reader, Number(rest), out reply);
            default:
                throw new InvalidDataException($"a reply cannot begin with byte {head[0]}");
        }
    }

    private static bool TryParseText(ref SequenceReader<byte> reader, long length, out RedisReply reply)
    {
        reply = RedisReply.Null;
        if (length < 0) return true;
        if (reader.Remaining < length + 2) return false;
        var bytes = new byte[length];
        reader.TryCopyTo(bytes);
        reader.Advance(length + 2);
        reply = RedisReply.OfText(bytes);
        return true;
    }

    private static bool TryParseArray(ref SequenceReader<byte> reader, long length, out RedisReply reply)
    {
        reply = RedisReply.Null;
        if (length < 0) return true;
        var items = new RedisReply[length];
        for (var i = 0; i < items.Length; i++)
        {
            if (!TryParse(ref reader, out items[i])) return false;
        }

        reply = RedisReply.OfArray(items);
        return true;
    }

    private static long Number(ReadOnlySpan<byte> digits) =>
        Utf8Parser.TryParse(digits, out long number, out var used) && used == digits.Length
            ? number
            : throw new InvalidDataException("a number was expected in a reply");
}
