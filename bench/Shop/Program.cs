using System.CommandLine;
using System.Globalization;
using Bench;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var inFlight = new Option<int[]>("--in-flight") { Description = "Customers who wait for their order before they place the next; 1, 16 and 128 unless said.", AllowMultipleArgumentsPerToken = true };
var seconds = new Option<int?>("--seconds") { Description = "How long each is measured, after a quarter of that to warm up; 20 unless said." };
var quick = new Option<bool>("--quick") { Description = "No hot product, no burst; unless said otherwise 1 and 128 in flight, 5 s each." };
var growth = new Option<bool>("--growth") { Description = "Instead: does an order cost more when there is ten times as much of everything?" };
var orders = new Option<int>("--orders") { Description = "Instead: so many orders at 128 in flight, and the memory of each process at every tenth of them." };
var traces = new Option<bool>("--traces") { Description = "Trace every order, and send the spans to a collector that drops them." };
var json = new Option<bool>("--json") { Description = "Print the report as JSON too; it is in artifacts/bench.json in any case." };
var bench = new RootCommand("Measures the whole system.") { inFlight, seconds, quick, growth, orders, traces, json };
bench.SetAction(async parsed =>
{
    int[] customers = parsed.GetValue(inFlight) is { Length: > 0 } said ? said : parsed.GetValue(quick) ? [1, 128] : [1, 16, 128];
    var measured = TimeSpan.FromSeconds(parsed.GetValue(seconds) ?? (parsed.GetValue(quick) ? 5 : 20));
    await using var measuring = await Measuring.StartAsync(measured, parsed.GetValue(traces));
    if (parsed.GetValue(growth)) await measuring.GrowthAsync();
    else if (parsed.GetValue(orders) is > 0 and var many) await measuring.MemoryAsync(many);
    else await measuring.LoadsAsync(customers, alsoHotAndBurst: !parsed.GetValue(quick));
    return await measuring.ReportAsync(parsed.GetValue(json)) ? 0 : 1;
});
return await bench.Parse(args).InvokeAsync();
