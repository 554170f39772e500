using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop;

/// <summary>Waits for the shop, fills it, runs the scenarios.</summary>
internal static class DemoCommands
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static readonly TimeSpan WaitTimeout = TimeSpan.FromSeconds(60);

    public static Command Wait() => new Command("wait", $"""
        Wait until all services are ready, those of dapr.yaml included. Here --timeout is for all together, and {Durations.Format(WaitTimeout)} by default. Exits with
        3 when they are not ready in time.

          shop wait --timeout 10
        """).SetHandler(async context =>
    {
        await context.Shop.WaitUntilReadyAsync(context.GetValue(CommandLine.Timeout) ?? WaitTimeout, context.CancellationToken);
        return ExitCode.Done;
    });

    public static Command Fill() => new Command("fill",
        "Fill a demo shop: products, two accounts, two coupons. Idempotent.\n\n  shop fill").SetHandler(async context =>
    {
        context.PossibleEffect = "Some of it may have been created; repeat the command: nothing is created twice.";
        await DemoShop.FillAsync(context.Shop, context.CancellationToken);
        return ExitCode.Done;
    });

    public static Command Demo() => new Command("demo",
        "Run the four scenarios in both patterns against the running services, and check the outcome of each.\n\n  shop demo --json").SetHandler(async context =>
    {
        context.PossibleEffect = "The products, accounts, coupons and orders of this demo remain; a repetition creates its own.";
        List<ScenarioResult> results = [];
        var run = Guid.CreateVersion7().ToString("N")[^8..];
        foreach (var scenario in Scenario.All)
        {
            results.Add(await scenario.PlayAsync(context.Shop, run, context.CancellationToken));
            if (!context.Json) Print(results[^1]);
        }
        if (context.Json) Console.WriteLine(ToJson(results));
        else Terminal.WriteLine(results.All(result => result.Holds)
            ? (FormattableString)$"[green]All {results.Count} scenarios went as promised.[/]"
            : $"[red]{results.Count(result => !result.Holds)} of {results.Count} scenarios did not go as promised.[/]");
        return results.All(result => result.Holds) ? ExitCode.Done : ExitCode.Refused;
    });

    private static void Print(ScenarioResult result)
    {
        Terminal.WriteLine($"[bold]{result.Name}[/], order {result.OrderNumber}");
        Terminal.WriteTable(["of", "expected", "seen", "result"], result.Findings.Select(finding => (IReadOnlyList<Cell>)
            [finding.What, finding.Expected, finding.Seen, finding.Holds ? new Cell(["ok"], Color.Green) : new Cell(["DIFFERS"], Color.Red)]),
            "expected", "seen");
        foreach (var entry in result.Timeline)
        {
            Terminal.WriteLine($"  [grey]{entry.AfterMs,6} ms[/]  {entry.Event,-26} {entry.Detail}");
        }
        Terminal.WriteLine();
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
