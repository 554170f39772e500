using System.Runtime.CompilerServices;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Shop;

/// <summary>The output for people. What the shop answers is escaped: it is no markup, and controls no terminal. Numbers and ids are never broken.</summary>
internal static class Terminal
{
    /// <summary>Width of output that is not a terminal, in characters; a table that needs more is wider.</summary>
    private const int RedirectedWidth = 140;

    /// <summary>Every id fits into it. A narrower terminal wraps lines by itself, and what is copied from it is whole.</summary>
    private const int WidthMin = 80;

    /// <summary>Adapts to a redirected output and to a narrow terminal. Before the first output.</summary>
    public static void Initialize()
    {
        if (!Console.IsOutputRedirected)
        {
            if (AnsiConsole.Profile.Width < WidthMin) AnsiConsole.Profile.Width = WidthMin;
            return;
        }
        AnsiConsole.Profile.Width = RedirectedWidth;
        AnsiConsole.Profile.Capabilities.Ansi = false;
    }

    /// <summary>Writes a line with markup.</summary>
    /// <param name="markup">Its arguments are escaped.</param>
    public static void WriteLine(FormattableString markup) => AnsiConsole.MarkupLineInterpolated(FormattableStringFactory.Create(
        markup.Format, [.. markup.GetArguments().Select(argument => argument is string text ? TerminalText.Escape(text) : argument)]));

    public static void WriteLine() => AnsiConsole.WriteLine();

    /// <summary>Writes one line to standard error. Where that cannot be written, the exit code has to do.</summary>
    public static void WriteError(string text)
    {
        try
        {
            Console.Error.WriteLine(TerminalText.Escape(text));
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>Writes to standard error which documents a list lacks.</summary>
    /// <param name="what">Such as "product".</param>
    public static void WriteUnreadable(string what, IEnumerable<string> ids)
    {
        foreach (var id in ids) WriteError($"{what} {id} is not listed: its document cannot be read, and the log of its service says why.");
    }

    /// <summary>Writes names and values, one pair below the other.</summary>
    public static void WriteFields(IEnumerable<(string Name, Cell Value)> fields)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var (name, value) in fields) grid.AddRow(((Cell)name with { Color = Color.Grey }).ToText(), value.ToText());
        AnsiConsole.Write(grid);
    }

    /// <summary>Writes a table, or where the terminal is too narrow for it, the fields of each row one below the other.</summary>
    /// <param name="prose">Columns that may be wrapped, at spaces.</param>
    public static void WriteTable(string[] columns, IEnumerable<IReadOnlyList<Cell>> rows, params string[] prose)
    {
        var all = rows.ToArray();
        if (!TryWriteTable(columns, all, prose)) WriteRecords(columns, all);
    }

    /// <returns>False: the terminal is too narrow, and nothing is written.</returns>
    public static bool TryWriteTable(string[] columns, IEnumerable<IReadOnlyList<Cell>> rows, params string[] prose) =>
        TryWrite(CreateTable(columns, rows, prose).Border(TableBorder.Simple));

    /// <summary>As <see cref="WriteTable"/>, without lines and the names of the columns.</summary>
    public static void WriteGrid(string[] columns, IReadOnlyList<IReadOnlyList<Cell>> rows, params string[] prose)
    {
        var grid = CreateTable(columns, rows, prose).Border(TableBorder.None).HideHeaders();
        foreach (var column in grid.Columns) column.Padding = new(0, 0, 2, 0);
        if (!TryWrite(grid)) WriteRecords(columns, rows);
    }

    private static void WriteRecords(string[] columns, IEnumerable<IReadOnlyList<Cell>> rows)
    {
        foreach (var row in rows)
        {
            WriteFields(columns.Zip(row));
            WriteLine();
        }
    }

    private static Table CreateTable(string[] columns, IEnumerable<IReadOnlyList<Cell>> rows, string[] prose)
    {
        var options = RenderOptions.Create(AnsiConsole.Console);
        var cells = rows.Select(row => row.Select(cell => cell.ToText()).ToArray()).ToArray();
        var table = new Table();
        for (var at = 0; at < columns.Length; at++)
        {
            var column = new TableColumn(((Cell)columns[at]).ToText());
            // Without a width a table may cut a column that it must not wrap.
            if (!prose.Contains(columns[at]))
            {
                column.Width(cells.Select(row => row[at]).Prepend(((Cell)columns[at]).ToText()).Max(text => ((IRenderable)text).Measure(options, int.MaxValue).Max)).NoWrap();
            }
            table.AddColumn(column);
        }
        foreach (var row in cells) table.AddRow(row);
        return table;
    }

    /// <summary>Writes what cannot be narrower than its longest word.</summary>
    /// <returns>False: the terminal is too narrow, and nothing is written.</returns>
    private static bool TryWrite(IRenderable renderable)
    {
        var profile = AnsiConsole.Profile;
        var required = renderable.Measure(RenderOptions.Create(AnsiConsole.Console), int.MaxValue).Min;
        if (required > profile.Width)
        {
            if (!Console.IsOutputRedirected) return false;
            profile.Width = required;
        }
        AnsiConsole.Write(renderable);
        return true;
    }
}
