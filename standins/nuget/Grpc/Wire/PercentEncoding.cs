using System.Globalization;
using System.Text;

namespace Grpc.Wire;

/// <summary>The encoding of <c>grpc-message</c>: UTF-8 with every byte outside printable ASCII, and %, as %XX.</summary>
internal static class PercentEncoding
{
    public static string Encode(string text)
    {
        var plain = true;
        foreach (var c in text)
        {
            plain &= IsPlain(c);
        }

        if (plain)
        {
            return text;
        }

        var encoded = new StringBuilder(text.Length + 16);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            if (IsPlain((char)b))
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
            }
        }

        return encoded.ToString();
    }

    /// <summary>Never fails: what is not properly encoded is taken literally.</summary>
    public static string Decode(string text)
    {
        if (!text.Contains('%'))
        {
            return text;
        }

        var bytes = new List<byte>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%'
                && i + 2 < text.Length
                && byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var b))
            {
                bytes.Add(b);
                i += 2;
            }
            else
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text[i].ToString()));
            }
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private static bool IsPlain(char c) => c is >= ' ' and <= '~' and not '%';
}
