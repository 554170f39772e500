using Spectre.Console;
using Spectre.Console.Rendering;

namespace Shop.Load;

/// <summary>How a load looks, while it goes and when it is over.</summary>
internal static class LoadPrint
{
    private const int BarWidth = 50;

    public static IRenderable Whole(Plan plan, Tally tally) => new Rows(Bar(plan, tally), Rows(tally));

    /// <summary>For scripts. Times are milliseconds.</summary>
    public static object Summary(Tally tally) => new
    {
        tally.IsAsItShouldBe,
        Seconds = tally.Elapsed.TotalSeconds,
        Placed = tally.Placed.Spread,
        Confirmed = tally.Confirmed.Spread,
        Failed = tally.Failed.ToDictionary(reason => reason.Key, reason => reason.Value.Spread),
        NotPlaced = tally.NotPlaced.ToDictionary(),
        tally.Open,
        tally.NotEnded,
        tally.Unexpected,
    };

    private static Markup Bar(Plan plan, Tally tally)
    {
        var done = Math.Clamp(Math.Max((double)Ended(tally) / plan.Orders, tally.Elapsed / plan.Duration), 0, 1);
        var filled = (int)(done * BarWidth);
        return new($"[green]{new string('━', filled)}[/][grey]{new string('━', BarWidth - filled)}[/] {done * 100,3:0} %  {tally.Elapsed.TotalSeconds:0.0} s");
    }

    private static Table Rows(Tally tally)
    {
        var seconds = Math.Max(tally.Elapsed.TotalSeconds, 0.001);
        var table = new Table().Border(TableBorder.Simple).AddColumn("");
        foreach (var column in (string[])["orders", "per second", "p50 ms", "p99 ms", "slowest ms"])
        {
            table.AddColumn(column, one => one.RightAligned());
        }
        void Row(string name, Spread spread) =>
            table.AddRow(name, $"{spread.Count}", $"{spread.Count / seconds:0.0}", $"{spread.P50:0.0}", $"{spread.P99:0.0}", $"{spread.Max:0}");

        Row("placed", tally.Placed.Spread);
        Row("[green]confirmed[/]", tally.Confirmed.Spread);
        foreach (var (reason, series) in tally.Failed) Row($"[yellow]failed {reason}[/]", series.Spread);
        if (tally.Open > 0) table.AddRow("open", $"{tally.Open}");
        foreach (var (code, count) in tally.NotPlaced) table.AddRow($"[red]not placed {code}[/]", $"{count}");
        if (tally.NotEnded > 0) table.AddRow("[red]did not end[/]", $"{tally.NotEnded}");
        if (tally.Unexpected > 0) table.AddRow("[red]ended otherwise than made to[/]", $"{tally.Unexpected}");
        return table;
    }

    private static int Ended(Tally tally) => tally.Placed.Spread.Count - tally.Open + tally.NotPlaced.Sum(code => code.Value);
}
