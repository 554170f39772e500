using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Orders;

/// <summary>The two forms of an order's id: a UUID for programs, and an order number ORD-… for people.</summary>
/// <remarks>
/// ORD-, then the 128 bits in 26 characters of Crockford base32, then two check characters of the same alphabet: the value modulo 1021, a prime, so
/// that every mistyped character and every swap of neighbours is detected. No character means anything to a shell, a URL or a regular expression.
/// Numbers of an older version have one check character, the value modulo 37, and are still read.
/// </remarks>
internal static class OrderNumber
{
    private const string Prefix = "ORD-";
    private const string Digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", OlderCheckDigits = Digits + "*~$=U";
    private const int ValueLength = 26, CheckLength = 2, OlderCheckLength = 1, CheckModulus = 1021, OlderCheckModulus = 37;

    public static string FromId(Guid id)
    {
        var value = ToNumber(id);
        Span<char> number = stackalloc char[Prefix.Length + ValueLength + CheckLength];
        Prefix.CopyTo(number);
        WriteDigits(number[^CheckLength..], value % CheckModulus);
        WriteDigits(number[Prefix.Length..^CheckLength], value);
        return new(number);
    }

    /// <summary>Parses either form. In an order number O is 0, I and L are 1, and case does not matter.</summary>
    /// <param name="problem">The rest of a sentence that begins with the text. Null: it is valid.</param>
    public static bool TryParse(string text, out Guid id, [NotNullWhen(false)] out string? problem)
    {
        problem = null;
        if (RequestCheck.IsUuid(text))
        {
            id = Guid.ParseExact(text, "D");
            return true;
        }
        id = default;
        if (!text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) || text.Length - Prefix.Length - ValueLength is not (CheckLength or OlderCheckLength))
        {
            problem = "is neither an order id (a UUID) nor an order number (ORD- and 28 characters).";
            return false;
        }
        UInt128 value = 0;
        foreach (var letter in text.AsSpan(Prefix.Length, ValueLength))
        {
            var digit = Digits.IndexOf(Plain(letter), StringComparison.Ordinal);
            if (digit < 0)
            {
                problem = $"has {(char.IsSurrogate(letter) ? "a character" : $"the character '{letter}'")}, which order numbers do not use.";
                return false;
            }
            value = (value << 5) | (UInt128)digit;
        }
        // 26 characters have 130 bits: the first is 7 at most.
        if (!IsChecked(value, text.AsSpan(Prefix.Length + ValueLength)) || Plain(text[Prefix.Length]) > '7')
        {
            problem = "has a wrong check character: one character is mistyped.";
            return false;
        }
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        id = new(bytes, bigEndian: true);
        return true;
    }

    /// <summary>A user's idempotency key as a UUID. In earlier versions it was the id of the order that was placed with the key.</summary>
    /// <remarks>Of version 8 (RFC 9562, section 5.8), with bits of a SHA-256.</remarks>
    public static Guid Derive(string userId, string idempotencyKey)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{userId}\n{idempotencyKey}"), hash);
        hash[6] = (byte)(hash[6] & 0x0F | 0x80);
        hash[8] = (byte)(hash[8] & 0x3F | 0x80);
        return new(hash[..16], bigEndian: true);
    }

    private static void WriteDigits(Span<char> digits, UInt128 value)
    {
        for (var at = digits.Length - 1; at >= 0; at--)
        {
            digits[at] = Digits[(int)(value & 31)];
            value >>= 5;
        }
    }

    private static bool IsChecked(UInt128 value, ReadOnlySpan<char> check)
    {
        if (check.Length == OlderCheckLength) return Plain(check[0]) == OlderCheckDigits[(int)(value % OlderCheckModulus)];
        Span<char> expected = stackalloc char[CheckLength];
        WriteDigits(expected, value % CheckModulus);
        return Plain(check[0]) == expected[0] && Plain(check[1]) == expected[1];
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
