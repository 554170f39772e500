using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace Daprd.Json;

/// <summary>Escapes in strings exactly what Go's encoder escapes, except for &lt;, &gt; and &amp;.</summary>
internal sealed class GoEncoder : JavaScriptEncoder
{
    public static readonly GoEncoder Instance = new();

    /// <summary>The bytes to escape, and the first byte of U+2028 and U+2029.</summary>
    private static readonly SearchValues<byte> Suspects = SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(i => (byte)i), (byte)'"', (byte)'\\', 0xe2]);

    private static readonly SearchValues<char> SuspectCharacters = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Select(i => (char)i), '"', '\\', '\u2028', '\u2029', .. Enumerable.Range(0xd800, 0x800).Select(i => (char)i)]);

    private GoEncoder()
    {
    }

    public override int MaxOutputCharactersPerInputCharacter => 6;

    public override bool WillEncode(int unicodeScalar) => unicodeScalar is < 0x20 or '"' or '\\' or 0x2028 or 0x2029;

    public override int FindFirstCharacterToEncodeUtf8(ReadOnlySpan<byte> utf8Text) =>
        !utf8Text.ContainsAny(Suspects) && Utf8.IsValid(utf8Text) ? -1 : base.FindFirstCharacterToEncodeUtf8(utf8Text);

    public override unsafe int FindFirstCharacterToEncode(char* text, int textLength)
    {
        var characters = new ReadOnlySpan<char>(text, textLength);
        for (var i = characters.IndexOfAny(SuspectCharacters); i >= 0 && i < characters.Length; i++)
        {
            if (WillEncode(characters[i]) || IsLone(characters, i)) return i;
        }

        return -1;
    }

    public override unsafe bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten)
    {
        var escaped = unicodeScalar switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\b' => "\\b",
            '\f' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            < 0x20 or 0x2028 or 0x2029 => $"\\u{unicodeScalar:x4}",
            _ => char.ConvertFromUtf32(unicodeScalar),
        };
        var fits = escaped.TryCopyTo(new Span<char>(buffer, bufferLength));
        numberOfCharactersWritten = fits ? escaped.Length : 0;
        return fits;
    }

    /// <summary>An unpaired surrogate.</summary>
    private static bool IsLone(ReadOnlySpan<char> text, int at) =>
        char.IsHighSurrogate(text[at]) ? at + 1 == text.Length || !char.IsLowSurrogate(text[at + 1])
        : char.IsLowSurrogate(text[at]) && (at == 0 || !char.IsHighSurrogate(text[at - 1]));
}
