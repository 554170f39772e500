using Spectre.Console;
using Spectre.Console.Rendering;

namespace Shop.Load;

/// <summary>Formats the statistics of a load.</summary>
internal static class LoadPrint
{
    private const int BarWidth = 50;

    public static IRenderable Whole(LoadPlan plan, LoadStats stats) => new Rows(Bar(plan, stats), Rows(stats));

    /// <summary>For --json. Latencies are milliseconds.</summary>
    public static object Summary(LoadStats stats) => new
    {
        stats.IsAsItShouldBe,
        Seconds = stats.Elapsed.TotalSeconds,
        Placed = stats.Placed.Percentiles,
        Confirmed = stats.Confirmed.Percentiles,
        Failed = stats.Failed.ToDictionary(reason => reason.Key, reason => reason.Value.Percentiles),
        NotPlaced = stats.NotPlaced.ToDictionary(),
        stats.Open,
        stats.NotEnded,
        stats.Unexpected,
    };

    private static Markup Bar(LoadPlan plan, LoadStats stats)
    {
        var done = Math.Clamp(Math.Max((double)CountEnded(stats) / plan.Orders, stats.Elapsed / plan.Duration), 0, 1);
        var filled = (int)(done * BarWidth);
        return new($"[green]{new string('━', filled)}[/][grey]{new string('━', BarWidth - filled)}[/] {done * 100,3:0} %  {stats.Elapsed.TotalSeconds:0.0} s");
    }

    private static Table Rows(LoadStats stats)
    {
        var seconds = Math.Max(stats.Elapsed.TotalSeconds, 0.001);
        var table = new Table().Border(TableBorder.Simple).AddColumn("");
        foreach (var column in (string[])["orders", "per second", "p50 ms", "p99 ms", "slowest ms"])
        {
            table.AddColumn(column, one => one.RightAligned());
        }
        void Row(string name, Percentiles percentiles) =>
            table.AddRow(
                name, $"{percentiles.Count}", $"{percentiles.Count / seconds:0.0}", $"{percentiles.P50:0.0}", $"{percentiles.P99:0.0}", $"{percentiles.Max:0}");

        Row("placed", stats.Placed.Percentiles);
        Row("[green]confirmed[/]", stats.Confirmed.Percentiles);
        foreach (var (reason, samples) in stats.Failed) Row($"[yellow]failed {Markup.Escape(TerminalText.Escape(reason))}[/]", samples.Percentiles);
        if (stats.Open > 0) table.AddRow("open", $"{stats.Open}");
        foreach (var (code, count) in stats.NotPlaced) table.AddRow($"[red]not placed {code}[/]", $"{count}");
        if (stats.NotEnded > 0) table.AddRow("[red]did not end[/]", $"{stats.NotEnded}");
        if (stats.Unexpected > 0) table.AddRow("[red]unexpected outcome[/]", $"{stats.Unexpected}");
        return table;
    }

    private static int CountEnded(LoadStats stats) => stats.Placed.Percentiles.Count - stats.Open + stats.NotPlaced.Sum(code => code.Value);
}
