using System.CommandLine;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Shop;
using Shop.V1;
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

var letterId = new Argument<string>("id") { Description = "As `shop dead-letters list` shows it." };
var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing; say what would change." };
var listLetters = new Command("list", "Those that wait for somebody to look at them, the oldest first.");
listLetters.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    var letters = await DeadLetterCommands.ListAsync(shop, stop);
    if (parsed.GetValue(json)) Console.WriteLine(ProtoJson(letters));
    else DeadLetterCommands.Print(letters);
    return 0;
}));
var showLetter = new Command("show", "One of them, with what is in it.") { letterId };
showLetter.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    var letter = (await DeadLetterCommands.OfWhoHasItAsync(shop, service => service.GetDeadLetterAsync(new() { DeadLetterId = parsed.GetValue(letterId) }, cancellationToken: stop))).DeadLetter;
    if (parsed.GetValue(json)) Console.WriteLine(JsonFormatter.Default.Format(letter));
    else DeadLetterCommands.Print(letter);
    return 0;
}));
var redriveLetter = new Command("redrive", "Handle it now, in the service that could not. Exits with 1 when it fails again.") { letterId, dryRun };
redriveLetter.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    var request = new RedriveDeadLetterRequest { DeadLetterId = parsed.GetValue(letterId), DryRun = parsed.GetValue(dryRun) };
    var redriven = await DeadLetterCommands.OfWhoHasItAsync(shop, service => service.RedriveDeadLetterAsync(request, cancellationToken: stop));
    if (parsed.GetValue(json)) Console.WriteLine(JsonFormatter.Default.Format(redriven));
    else DeadLetterCommands.Print(redriven, request.DryRun);
    return redriven.Failure.Length > 0 ? 1 : 0;
}));
var discardLetter = new Command("discard", "Put it aside for good. The saga does not need it.") { letterId };
discardLetter.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    var letter = (await DeadLetterCommands.OfWhoHasItAsync(shop, service => service.DiscardDeadLetterAsync(new() { DeadLetterId = parsed.GetValue(letterId) }, cancellationToken: stop))).DeadLetter;
    if (parsed.GetValue(json)) Console.WriteLine(JsonFormatter.Default.Format(letter));
    else DeadLetterCommands.Print(letter);
    return 0;
}));
var deadLetters = new Command("dead-letters", "Events that a service could not handle.") { listLetters, showLetter, redriveLetter, discardLetter };

var deadline = new Option<int>("--deadline") { Description = "Seconds after which an order that is not confirmed fails, as the services are configured.", DefaultValueFactory = _ => 60 };
var audit = new Command("audit", "Read everything, and check that orders, stock, accounts and coupons tell one story. Exits with 1 when they do not.") { deadline };
audit.SetAction((parsed, stop) => RunAsync(parsed, async shop =>
{
    var books = await Books.ReadAsync(shop, read => Console.Error.Write($"\r{read} orders read"), stop);
    Console.Error.WriteLine();
    var invariants = Audit.Of(books, TimeSpan.FromSeconds(parsed.GetValue(deadline)));
    if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(invariants, Readable()));
    else PrintAudit(invariants);
    return invariants.All(invariant => invariant.Holds) ? 0 : 1;
}));

var root = new RootCommand("The shop from the command line.") { wait, fill, demo, deadLetters, audit, orders, stock, payments, coupons, json };
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

static void PrintAudit(IReadOnlyList<Invariant> invariants)
{
    foreach (var invariant in invariants)
    {
        AnsiConsole.MarkupLineInterpolated(invariant.Holds ? (FormattableString)$"[green]holds [/] {invariant.Name}: {invariant.Sums}" : $"[red]BROKEN[/] {invariant.Name}: {invariant.Sums}");
        foreach (var breach in invariant.Breaches) AnsiConsole.MarkupLineInterpolated($"         {breach}");
    }
}

static string ProtoJson(IEnumerable<IMessage> messages) => $"[{string.Join(",\n", messages.Select(message => JsonFormatter.Default.Format(message)))}]";

static JsonSerializerOptions Readable() => new(JsonSerializerDefaults.Web) { WriteIndented = true };

static string ToJson(IEnumerable<ScenarioResult> results) => JsonSerializer.Serialize(
    results.Select(result => new
    {
        result.Name,
        result.OrderNumber,
        result.Holds,
        result.Findings,
        Timeline = result.Timeline.Select(entry => new { entry.AfterMs, entry.Event, entry.Detail, Status = entry.Status.ToString() }),
    }),
    Readable());
