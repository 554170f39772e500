using System.CommandLine;
using System.Globalization;
using Bench;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var inFlight = new Option<int[]>("--in-flight")
{
    Description = "Numbers of concurrent customers; each waits for its order before it places the next. Default: 1, 16 and 128.",
    AllowMultipleArgumentsPerToken = true,
};
var seconds = new Option<int?>("--seconds") { Description = "Duration of each measurement, after a quarter of it as warm-up. Default: 20." };
var quick = new Option<bool>("--quick") { Description = "No hot product, no burst; by default 1 and 128 in flight, 5 s each." };
var growth = new Option<bool>("--growth") { Description = "Instead: measure the cost of an order with ten times the data." };
var orders = new Option<int>("--orders")
{
    Description = "Instead: place this many orders at 128 in flight, and sample the memory of each process at every tenth of them.",
};
var overload = new Option<bool>("--overload")
{
    Description = "Instead: measure the best throughput, then place twice as many orders a second for 60 s (--seconds).",
};
var traces = new Option<bool>("--traces") { Description = "Trace every order, and send the spans to a collector that drops them." };
var instances = new Option<int?>("--instances") { Description = "Instances of each service. Default: 1." };
var json = new Option<bool>("--json") { Description = "Print the report as JSON too; it is in artifacts/bench.json in any case." };
var bench = new RootCommand("Measures the whole system.") { inFlight, seconds, quick, growth, orders, overload, traces, instances, json };
bench.SetAction(async parsed =>
{
    int[] customers = parsed.GetValue(inFlight) is { Length: > 0 } given ? given : parsed.GetValue(quick) ? [1, 128] : [1, 16, 128];
    var measured = TimeSpan.FromSeconds(parsed.GetValue(overload) ? 15 : parsed.GetValue(seconds) ?? (parsed.GetValue(quick) ? 5 : 20));
    await using var run = await BenchRun.StartAsync(
        measured, parsed.GetValue(traces), parsed.GetValue(overload), instances: Math.Max(1, parsed.GetValue(instances) ?? 1));
    if (parsed.GetValue(growth)) await run.RunGrowthAsync();
    else if (parsed.GetValue(orders) is > 0 and var many) await run.RunMemoryAsync(many);
    else if (parsed.GetValue(overload)) await run.RunOverloadAsync(TimeSpan.FromSeconds(parsed.GetValue(seconds) ?? 60));
    else await run.RunLoadsAsync(customers, alsoHotAndBurst: !parsed.GetValue(quick));
    return await run.ReportAsync(parsed.GetValue(json)) ? 0 : 1;
});
var compare = new Command("compare", "Compares choreography and orchestration in one run: 1, 16 and 128 in flight, a slow participant, one that is down.")
{
    seconds, json,
};
compare.SetAction(async parsed =>
{
    await using var run = await BenchRun.StartAsync(TimeSpan.FromSeconds(parsed.GetValue(seconds) ?? 10), traces: false, overload: true, slowPayments: true);
    return await run.CompareAsync(parsed.GetValue(json)) ? 0 : 1;
});
bench.Add(compare);
return await bench.Parse(args).InvokeAsync();
