using System.Globalization;
using System.Text;

namespace Shop;

/// <summary>Makes text of others safe to print on a terminal.</summary>
public static class TerminalText
{
    /// <summary>
    /// Escapes what is not visible as itself: control characters, line and paragraph separators, format characters such as those of the
    /// bidirectional algorithm, and halves of surrogate pairs.
    /// </summary>
    /// <returns>One line. A newline becomes \n, other characters become \u and four or \U and eight hexadecimal digits.</returns>
    public static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            var isWhole = Rune.TryGetRuneAt(text, at, out var rune);
            if (!isWhole) escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[at]:X4}");
            else if (!IsInvisible(rune)) escaped.Append(rune.ToString());
            else escaped.Append(EscapeRune(rune));
            at += isWhole ? rune.Utf16SequenceLength : 1;
        }
        return escaped.ToString();
    }

    private static string EscapeRune(Rune rune) => rune.Value switch
    {
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        <= 0xFFFF => $"\\u{rune.Value:X4}",
        _ => $"\\U{rune.Value:X8}",
    };

    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
