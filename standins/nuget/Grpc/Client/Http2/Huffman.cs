using System.Buffers;

namespace Grpc.Net.Client.Http2;

/// <summary>The code in which header fields may be written (RFC 7541, appendix B). It is canonical: its lengths say it all.</summary>
internal static class Huffman
{
    private const int Shortest = 5;
    private const int Longest = 30;
    private const int EndOfString = 256;

    /// <summary>The symbols that have codes of a length, for each length in bits that there is.</summary>
    private static readonly (int Bits, int[] Symbols)[] Lengths =
    [
        (5, Each("012aceiost")),
        (6, Each(" %-./3456789=A_bdfghlmnpru")),
        (7, Each(":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz")),
        (8, Each("&*,;XZ")),
        (10, Each("!\"()?")),
        (11, Each("'+|")),
        (12, Each("#>")),
        (13, Each("\0$@[]~")),
        (14, Each("^}")),
        (15, Each("<`{")),
        (19, [92, 195, 208]),
        (20, [128, 130, 131, 162, 184, 194, 224, 226]),
        (21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]),
        (22, [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233]),
        (23, [1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239]),
        (24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]),
        (25, [199, 207, 234, 235]),
        (26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]),
        (27, [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]),
        (28, [2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249]),
        (Longest, [10, 13, 22, EndOfString]),
    ];

    /// <summary>Of each length: where its codes end, as the first bits of 32, and how to get from a code to its place in Symbols.</summary>
    private static readonly (int Bits, ulong End, uint First, int[] Symbols)[] Codes = [.. Assign()];

    /// <exception cref="HttpProtocolException">This is no text in this code.</exception>
    public static string Decode(ReadOnlySpan<byte> encoded)
    {
        // No code is shorter than five bits.
        var text = ArrayPool<char>.Shared.Rent((encoded.Length * 8 / Shortest) + 1);
        try
        {
            return new string(text, 0, Decode(encoded, text));
        }
        finally
        {
            ArrayPool<char>.Shared.Return(text);
        }
    }

    private static int Decode(ReadOnlySpan<byte> encoded, Span<char> text)
    {
        var length = 0;
        ulong bits = 0;
        var count = 0;
        for (var next = 0; ;)
        {
            while (count <= 32 && next < encoded.Length)
            {
                bits |= (ulong)encoded[next++] << (56 - count);
                count += 8;
            }

            var window = (uint)(bits >> 32);
            if (count < 8 && window >> (32 - count) == (1UL << count) - 1)
            {
                // Nothing is left but padding.
                return length;
            }

            var (size, symbol) = Take(window);
            if (size > count || symbol == EndOfString)
            {
                throw Http2Failure.Of(Http2Failure.CompressionError, "a header field is not in Huffman's code");
            }

            text[length++] = (char)symbol;
            bits <<= size;
            count -= size;
        }
    }

    private static (int Bits, int Symbol) Take(uint window)
    {
        foreach (var (bits, end, first, symbols) in Codes)
        {
            if (window < end)
            {
                return (bits, symbols[(window >> (32 - bits)) - first]);
            }
        }

        return (Longest, EndOfString);
    }

    private static IEnumerable<(int Bits, ulong End, uint First, int[] Symbols)> Assign()
    {
        uint code = 0;
        var before = 0;
        foreach (var (bits, symbols) in Lengths)
        {
            code <<= bits - before;
            yield return (bits, (ulong)(code + symbols.Length) << (32 - bits), code, symbols);
            code += (uint)symbols.Length;
            before = bits;
        }
    }

    private static int[] Each(string symbols) => [.. symbols.Select(symbol => (int)symbol)];
}
