using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop;

/// <summary>Waits for the shop, fills it, runs the scenarios.</summary>
internal static class DemoCommands
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static Command Wait()
    {
        var timeout = new Option<int>("--timeout") { Description = "Seconds.", DefaultValueFactory = _ => 60 };
        return new Command("wait", "Wait until all four services are ready. Exits with 3 when they are not in time.\n\n  shop wait --timeout 10")
            { timeout }.SetHandler(async context =>
        {
            await context.Shop.WaitUntilReadyAsync(TimeSpan.FromSeconds(context.GetValue(timeout)), context.CancellationToken);
            return ExitCode.Done;
        });
    }

    public static Command Fill() => new Command("fill",
        "Fill a demo shop: products, two accounts, two coupons. Idempotent.\n\n  shop fill").SetHandler(async context =>
    {
        await DemoShop.FillAsync(context.Shop, context.CancellationToken);
        return ExitCode.Done;
    });

    public static Command Demo() => new Command("demo",
        "Run the four scenarios against the running services, and check the outcome of each.\n\n  shop demo --json").SetHandler(async context =>
    {
        List<ScenarioResult> results = [];
        var run = Guid.CreateVersion7().ToString("N")[^8..];
        foreach (var scenario in Scenario.All)
        {
            results.Add(await scenario.PlayAsync(context.Shop, run, context.CancellationToken));
            if (!context.Json) Print(results[^1]);
        }
        if (context.Json) Console.WriteLine(ToJson(results));
        else AnsiConsole.MarkupLine(results.All(result => result.Holds)
            ? $"[green]All {results.Count} scenarios went as promised.[/]"
            : $"[red]{results.Count(result => !result.Holds)} of {results.Count} scenarios did not go as promised.[/]");
        return results.All(result => result.Holds) ? ExitCode.Done : ExitCode.Refused;
    });

    private static void Print(ScenarioResult result)
    {
        var findings = new Table().Title($"[bold]{result.Name}[/], order {result.OrderNumber}").AddColumns("", "expected", "seen", "");
        foreach (var finding in result.Findings)
        {
            findings.AddRow(finding.What, finding.Expected, finding.Seen, finding.Holds ? "[green]ok[/]" : "[red]DIFFERS[/]");
        }
        AnsiConsole.Write(findings);
        foreach (var entry in result.Timeline)
        {
            AnsiConsole.MarkupLineInterpolated($"  [grey]{entry.AfterMs,6} ms[/]  {entry.Event,-26} {entry.Detail}");
        }
        AnsiConsole.WriteLine();
    }

    private static string ToJson(IEnumerable<ScenarioResult> results) => JsonSerializer.Serialize(
        results.Select(result => new
        {
            result.Name,
            result.OrderNumber,
            result.Holds,
            result.Findings,
            Timeline = result.Timeline.Select(entry => new { entry.AfterMs, entry.Event, entry.Detail, Status = entry.Status.ToString() }),
        }),
        Json);
}
