using System.Text;

namespace Grpc.Net.Client.Http2;

/// <summary>Reads the header fields that a server sends (HPACK, RFC 7541).</summary>
internal sealed class FieldReader
{
    /// <summary>Bytes of all fields of one answer together, as HPACK counts them. As HttpClient has it.</summary>
    public const int MaxFields = 64 * 1024;

    /// <summary>Texts that came lately, each in the place that its bytes say: most come again with every answer.</summary>
    private readonly string?[] recent = new string?[64];

    private readonly FieldTable table = new();
    private readonly List<(string Name, string Value)> fields = [];

    /// <summary>Like those of the calls before, where they are the same: most are.</summary>
    private Fields lastHeaders = Fields.None;
    private Fields lastTrailers = Fields.None;

    /// <exception cref="HttpProtocolException">The bytes are no fields. The connection is of no use any more.</exception>
    public Fields Read(ReadOnlySpan<byte> block)
    {
        fields.Clear();
        for (var size = 0; block.Length > 0;)
        {
            var first = block[0];
            if ((first & 0x80) != 0)
            {
                fields.Add(table[Number(ref block, 7)]);
            }
            else if ((first & 0x40) != 0)
            {
                fields.Add(Literal(ref block, 6));
                table.Add(fields[^1].Name, fields[^1].Value);
            }
            else if ((first & 0x20) != 0)
            {
                table.Limit(Number(ref block, 5));
                continue;
            }
            else
            {
                fields.Add(Literal(ref block, 4));
            }

            size += fields[^1].Name.Length + fields[^1].Value.Length + FieldTable.Overhead;
            if (size > MaxFields)
            {
                throw Http2Failure.Of(Http2Failure.EnhanceYourCalm, $"the header fields of an answer have more than {MaxFields} bytes");
            }
        }

        var read = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(fields);
        ref var last = ref read.Length > 0 && read[0].Name == ":status" ? ref lastHeaders : ref lastTrailers;
        return last.Same(read) ? last : last = new Fields([.. fields]);
    }

    private (string Name, string Value) Literal(ref ReadOnlySpan<byte> block, int prefix)
    {
        var known = Number(ref block, prefix);
        var name = known == 0 ? Text(ref block) : table[known].Name;
        return (name, Text(ref block));
    }

    private string Text(ref ReadOnlySpan<byte> block)
    {
        var coded = block.Length > 0 && (block[0] & 0x80) != 0;
        var length = Number(ref block, 7);
        if (length > block.Length)
        {
            throw Truncated();
        }

        var bytes = block[..length];
        block = block[length..];
        return coded ? Huffman.Decode(bytes) : Text(bytes);
    }

    private string Text(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return "";
        }

        ref var place = ref recent[((bytes.Length * 31) + (bytes[0] * 7) + bytes[^1]) % recent.Length];
        return place is not null && Ascii.Equals(bytes, place) ? place : place = Encoding.Latin1.GetString(bytes);
    }

    private static int Number(ref ReadOnlySpan<byte> block, int prefix)
    {
        if (block.IsEmpty)
        {
            throw Truncated();
        }

        var mask = (1 << prefix) - 1;
        var number = block[0] & mask;
        block = block[1..];
        if (number < mask)
        {
            return number;
        }

        for (var shift = 0; shift <= 21; shift += 7)
        {
            if (block.IsEmpty)
            {
                throw Truncated();
            }

            var next = block[0];
            block = block[1..];
            number += (next & 0x7f) << shift;
            if ((next & 0x80) == 0)
            {
                return number;
            }
        }

        throw Http2Failure.Of(Http2Failure.CompressionError, "a number in the header fields is too large");
    }

    private static HttpProtocolException Truncated() => Http2Failure.Of(Http2Failure.CompressionError, "the header fields end too soon");
}
