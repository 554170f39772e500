using System.CommandLine;
using System.Text.Json;
using Grpc.Core;
using Shop;
using Spectre.Console;

if (Console.IsOutputRedirected)
{
    AnsiConsole.Profile.Width = 140;
    AnsiConsole.Profile.Capabilities.Ansi = false;
}

var orders = Address("--orders", "Orders", 5001);
var stock = Address("--stock", "Stock", 5002);
var payments = Address("--payments", "Payments", 5003);
var coupons = Address("--coupons", "Coupons", 5004);
var json = new Option<bool>("--json") { Description = "Print results as JSON.", Recursive = true };
var timeout = new Option<int>("--timeout") { Description = "Seconds.", DefaultValueFactory = _ => 60 };

var wait = new Command("wait", "Wait until all four services are ready.") { timeout };
wait.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    await shop.WaitUntilReadyAsync(TimeSpan.FromSeconds(parsed.GetValue(timeout)), stop);
    return 0;
}));

var fill = new Command("fill", "Fill a demo shop: products, two accounts, a coupon.");
fill.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    await DemoShop.FillAsync(shop, stop);
    return 0;
}));

var demo = new Command("demo", "Play the four scenarios against the running services, and check what each promises.");
demo.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    List<ScenarioResult> results = [];
    var run = Guid.CreateVersion7().ToString("N")[^8..];
    foreach (var scenario in Scenario.All)
    {
        results.Add(await scenario.PlayAsync(shop, run, stop));
        if (!parsed.GetValue(json)) Print(results[^1]);
    }
    if (parsed.GetValue(json)) Console.WriteLine(ToJson(results));
    else AnsiConsole.MarkupLine(results.All(result => result.Holds)
        ? $"[green]All {results.Count} scenarios went as promised.[/]"
        : $"[red]{results.Count(result => !result.Holds)} of {results.Count} scenarios did not go as promised.[/]");
    return results.All(result => result.Holds) ? 0 : 1;
}));

var root = new RootCommand("The shop from the command line.") { wait, fill, demo, orders, stock, payments, coupons, json };
return await root.Parse(args).InvokeAsync();

static Option<string> Address(string name, string service, int port) => new(name)
{
    Description = $"Address of {service}.",
    DefaultValueFactory = _ => $"http://localhost:{port}",
    Recursive = true,
};

async Task<int> RunAsync(ParseResult parsed, Func<ShopClients, Task<int>> run)
{
    try
    {
        return await run(new(parsed.GetValue(orders)!, parsed.GetValue(stock)!, parsed.GetValue(payments)!, parsed.GetValue(coupons)!));
    }
    catch (RpcException fault)
    {
        Console.Error.WriteLine($"{fault.StatusCode}: {fault.Status.Detail}");
        return 1;
    }
    catch (TimeoutException late)
    {
        Console.Error.WriteLine(late.Message);
        return 1;
    }
}

static void Print(ScenarioResult result)
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

static string ToJson(IEnumerable<ScenarioResult> results) => JsonSerializer.Serialize(
    results.Select(result => new
    {
        result.Name,
        result.OrderNumber,
        result.Holds,
        result.Findings,
        Timeline = result.Timeline.Select(entry => new { entry.AfterMs, entry.Event, entry.Detail, Status = entry.Status.ToString() }),
    }),
    new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true });
