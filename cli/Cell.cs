using Spectre.Console;

namespace Shop;

/// <summary>What a table shows in one place.</summary>
/// <param name="Lines">Text of any content.</param>
/// <param name="Color">Null: the terminal's own.</param>
internal sealed record Cell(IReadOnlyList<string> Lines, Color? Color = null)
{
    public static implicit operator Cell(string text) => new([text]);

    /// <summary>Escaped; only the lines of the cell break it.</summary>
    public Text ToText() => new(string.Join('\n', Lines.Select(TerminalText.Escape)), new(Color));
}
