using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop;

/// <summary>Waits for the shop, fills it, plays the scenarios.</summary>
internal static class DemoCommands
{
    public static Command Wait()
    {
        var timeout = new Option<int>("--timeout") { Description = "Seconds.", DefaultValueFactory = _ => 60 };
        return new Command("wait", "Wait until all four services are ready. Exits with 3 when they are not in time.\n\n  shop wait --timeout 10") { timeout }.Does(async call =>
        {
            await call.Shop.WaitUntilReadyAsync(TimeSpan.FromSeconds(call.Of(timeout)), call.Stop);
            return ExitCode.Done;
        });
    }

    public static Command Fill() => new Command("fill", "Fill a demo shop: products, two accounts, two coupons. Filling it twice is filling it once.\n\n  shop fill").Does(async call =>
    {
        await DemoShop.FillAsync(call.Shop, call.Stop);
        return ExitCode.Done;
    });

    public static Command Demo() => new Command("demo", "Play the four scenarios against the running services, and check what each promises.\n\n  shop demo --json").Does(async call =>
    {
        List<ScenarioResult> results = [];
        var run = Guid.CreateVersion7().ToString("N")[^8..];
        foreach (var scenario in Scenario.All)
        {
            results.Add(await scenario.PlayAsync(call.Shop, run, call.Stop));
            if (!call.Json) Print(results[^1]);
        }
        if (call.Json) Console.WriteLine(ToJson(results));
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
        new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true });
}
