using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Orders;

/// <summary>The two forms of an order's id: a UUID for programs, and an order number ORD-… for people.</summary>
/// <remarks>ORD-, then the 128 bits in 26 characters of Crockford base32, then its check character (value modulo 37).</remarks>
internal static class OrderNumber
{
    private const string Prefix = "ORD-";
    private const string Digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

    public static string FromId(Guid id)
    {
        var value = ToNumber(id);
        Span<char> number = stackalloc char[Prefix.Length + 27];
        Prefix.CopyTo(number);
        number[^1] = Digits[(int)(value % 37)];
        for (var at = number.Length - 2; at >= Prefix.Length; at--)
        {
            number[at] = Digits[(int)(value & 31)];
            value >>= 5;
        }
        return new(number);
    }

    /// <summary>Parses either form. In an order number O is 0, I and L are 1, and case does not matter.</summary>
    /// <param name="problem">The rest of a sentence that begins with the text. Null: it is valid.</param>
    public static bool TryParse(string text, out Guid id, [NotNullWhen(false)] out string? problem)
    {
        problem = null;
        if (Guid.TryParseExact(text, "D", out id)) return true;
        id = default;
        if (!text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) || text.Length != Prefix.Length + 27)
        {
            problem = "is neither an order id (a UUID) nor an order number (ORD- and 27 characters).";
            return false;
        }
        UInt128 value = 0;
        foreach (var letter in text.AsSpan(Prefix.Length, 26))
        {
            var digit = Digits.AsSpan(0, 32).IndexOf(Plain(letter));
            if (digit < 0)
            {
                problem = $"has the character '{letter}', which order numbers do not use.";
                return false;
            }
            value = (value << 5) | (UInt128)digit;
        }
        if (Plain(text[^1]) != Digits[(int)(value % 37)] || Plain(text[Prefix.Length]) > '7')
        {
            problem = "has a wrong check character: one character is mistyped.";
            return false;
        }
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        id = new(bytes, bigEndian: true);
        return true;
    }

    /// <summary>The deterministic id of the order that a user places with an idempotency key.</summary>
    /// <remarks>A UUID of version 8 (RFC 9562, section 5.8) with bits of a SHA-256.</remarks>
    public static Guid Derive(string userId, string idempotencyKey)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{userId}\n{idempotencyKey}"), hash);
        hash[6] = (byte)(hash[6] & 0x0F | 0x80);
        hash[8] = (byte)(hash[8] & 0x3F | 0x80);
        return new(hash[..16], bigEndian: true);
    }

    private static UInt128 ToNumber(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private static char Plain(char letter) => char.ToUpperInvariant(letter) switch
    {
        'O' => '0',
        'I' or 'L' => '1',
        var same => same,
    };
}
