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
var peer = new Option<string?>("--peer")
{
    Description = "A folder with a script run-peer.sh that measures the same shop built on something else: it runs first, and the report has the ratios.",
};
var daprd = new Option<string?>("--daprd") { Description = "The program of a real daprd, to run beside each service. Default: the stand-in." };
var json = new Option<bool>("--json") { Description = "Print the report as JSON too; it is in artifacts/bench.json in any case." };
var bench = new RootCommand("Measures the whole system.") { inFlight, seconds, quick, growth, orders, overload, traces, instances, peer, daprd, json };
bench.SetAction(async parsed =>
{
    int[] customers = parsed.GetValue(inFlight) is { Length: > 0 } given ? given : parsed.GetValue(quick) ? [1, 128] : [1, 16, 128];
    var measured = TimeSpan.FromSeconds(parsed.GetValue(overload) ? 15 : parsed.GetValue(seconds) ?? (parsed.GetValue(quick) ? 5 : 20));
    if (parsed.GetValue(daprd) is { } program && !File.Exists(program)) return await FailAsync($"--daprd: there is no program {program}.");
    if (parsed.GetValue(peer) is not null && (parsed.GetValue(growth) || parsed.GetValue(overload) || parsed.GetValue(orders) > 0))
    {
        return await FailAsync("--peer: a peer has the loads in flight only, not --growth, --overload or --orders.");
    }
    IReadOnlyList<PeerResult> peers = [];
    try
    {
        if (parsed.GetValue(peer) is { } folder) peers = await Peer.RunAsync(folder, customers, hot: !parsed.GetValue(quick), measured);
    }
    catch (InvalidOperationException problem)
    {
        return await FailAsync(problem.Message);
    }
    BenchRun started;
    try
    {
        started = await BenchRun.StartAsync(
            measured, parsed.GetValue(traces), parsed.GetValue(overload), instances: Math.Max(1, parsed.GetValue(instances) ?? 1), daprd: parsed.GetValue(daprd));
    }
    catch (Exception problem) when (problem is InvalidOperationException or TimeoutException)
    {
        return await FailAsync($"The shop did not start. {problem.Message}");
    }
    await using var run = started;
    if (parsed.GetValue(growth)) await run.RunGrowthAsync();
    else if (parsed.GetValue(orders) is > 0 and var many) await run.RunMemoryAsync(many);
    else if (parsed.GetValue(overload)) await run.RunOverloadAsync(TimeSpan.FromSeconds(parsed.GetValue(seconds) ?? 60));
    // A peer is measured warm.
    else await run.RunLoadsAsync(customers, alsoHotAndBurst: !parsed.GetValue(quick), TimeSpan.FromSeconds(peers.Count > 0 ? 45 : 0));
    return await run.ReportAsync(parsed.GetValue(json), peers) ? 0 : 1;
});
var compare = new Command("compare", "Compares choreography and orchestration in one run: 1, 16 and 128 in flight, a slow participant, one that is down.")
{
    seconds, json,
};
compare.SetAction(async parsed =>
{
    Option[] others = [inFlight, quick, growth, orders, overload, traces, instances, peer, daprd];
    if (others.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } other)
    {
        return await FailAsync($"{other.Name} is not for compare, which has --seconds and --json.");
    }
    try
    {
        await using var run = await BenchRun.StartAsync(
            TimeSpan.FromSeconds(parsed.GetValue(seconds) ?? 10), traces: false, overload: true, slowPayments: true);
        return await run.CompareAsync(parsed.GetValue(json)) ? 0 : 1;
    }
    catch (Exception problem) when (problem is InvalidOperationException or TimeoutException)
    {
        return await FailAsync($"The shop did not start. {problem.Message}");
    }
});
bench.Add(compare);

static async Task<int> FailAsync(string problem)
{
    await Console.Error.WriteLineAsync(problem);
    return 1;
}

return await bench.Parse(args).InvokeAsync();
