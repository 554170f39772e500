using System.Diagnostics;
using System.Text.Json;
using Shop;
using Shop.Audits;

namespace Bench;

/// <summary>Starts a shop, runs phases against it, and reports.</summary>
internal sealed class BenchRun : IAsyncDisposable
{
    private const int BusyInFlight = 128;

    private static readonly TimeSpan OpenOrdersTimeout = TimeSpan.FromSeconds(60), SettleTimeout = TimeSpan.FromSeconds(120);
    private static readonly JsonSerializerOptions ReportJson = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly ShopUnderTest shop;
    private readonly CompletionListener completions;
    private readonly BenchCatalog catalog;
    private readonly LoadPhases phases;
    private readonly TimeSpan measured;
    private readonly double load;
    private readonly List<PhaseResult> results = [];
    private readonly List<MemorySample> memory = [];
    private double floorPerSecond;

    private BenchRun(ShopUnderTest shop, CompletionListener completions, TimeSpan measured, double load)
    {
        (this.shop, this.completions, this.measured, this.load) = (shop, completions, measured, load);
        catalog = new(shop.Clients);
        phases = new(shop, catalog, completions);
    }

    private TimeSpan WarmUp => measured / 4;

    /// <param name="traces">See <see cref="ShopUnderTest.StartAsync"/>.</param>
    /// <param name="overload">See there.</param>
    /// <param name="slowPayments">See there.</param>
    /// <param name="instances">See there.</param>
    /// <param name="daprd">See there.</param>
    public static async Task<BenchRun> StartAsync(
        TimeSpan measured, bool traces, bool overload, bool slowPayments = false, int instances = 1, string? daprd = null)
    {
        var load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0]);
        var shop = await ShopUnderTest.StartAsync(Directory.GetCurrentDirectory(), traces, overload, slowPayments, instances, daprd);
        Log($"started, and the first order answered, in {shop.FirstAnswer.TotalSeconds:N1} s");
        return new(shop, CompletionListener.Start(await shop.ConnectRedisAsync()), measured, load);
    }

    /// <param name="preheat">Before the first measurement, at 128 in flight.</param>
    public async Task RunLoadsAsync(int[] customers, bool alsoHotAndBurst, TimeSpan preheat)
    {
        await FillAsync(1);
        if (preheat > TimeSpan.Zero) await phases.ClosedLoopAsync("preheat", BusyInFlight, hot: false, preheat, TimeSpan.FromSeconds(1));
        foreach (var count in customers) await ClosedLoopAsync($"{count} in flight", count);
        if (alsoHotAndBurst) await ClosedLoopAsync("128 in flight, one hot product", BusyInFlight, hot: true);
        await MeasureFloorAsync();
        if (alsoHotAndBurst) await BurstAsync(20_000);
    }

    /// <summary>Compares choreography and orchestration.</summary>
    /// <returns>All invariants hold.</returns>
    public async Task<bool> CompareAsync(bool json)
    {
        await FillAsync(1);
        var results = await new PatternComparison(shop, new(shop, catalog, completions), catalog, measured).RunAsync();
        await PatternComparison.ReportAsync(results, json);
        Log("the audit");
        // What the outage has left behind is settled at the deadline at the latest.
        for (var begun = Stopwatch.GetTimestamp(); ;)
        {
            var invariants = await AuditRunner.RunAsync(shop.Clients, TimeSpan.FromSeconds(60), _ => { }, default);
            var isUnderWay = invariants.All(invariant => invariant.State != InvariantState.Broken) && Stopwatch.GetElapsedTime(begun) < SettleTimeout;
            if (isUnderWay && invariants.Any(invariant => !invariant.Holds)) continue;
            foreach (var wrong in invariants.Where(invariant => !invariant.Holds))
            {
                await Console.Error.WriteLineAsync($"{wrong.State} {wrong.Name}: {wrong.Sums} {string.Join("; ", wrong.Discrepancies.Take(3).Select(one => one.What))}");
            }
            return invariants.All(invariant => invariant.Holds);
        }
    }

    /// <summary>Repeats the load with ten times the products and accounts, and with ten times the orders in the store.</summary>
    public async Task RunGrowthAsync()
    {
        await FillAsync(1);
        await ClosedLoopAsync("warm-up", BusyInFlight);
        results.Clear();
        await ClosedLoopAsync("as it is", BusyInFlight);
        await BurstAsync(2_000);
        await MeasureFloorAsync();
        await FillAsync(10);
        await ClosedLoopAsync("10 times the products and accounts", BusyInFlight);
        Log("copying finished orders");
        var before = await OrderCloner.CountAsync(shop.Redis);
        await OrderCloner.CloneAsync(shop.Redis, 9);
        await ClosedLoopAsync($"10 times the orders in the store: {10 * before:N0}", BusyInFlight);
        await BurstAsync(20_000);
    }

    /// <summary>Measures the best throughput, and what is left of it while twice as many orders are placed.</summary>
    /// <param name="duration">Of the overload.</param>
    public async Task RunOverloadAsync(TimeSpan duration)
    {
        await FillAsync(1);
        await ClosedLoopAsync("warm-up", BusyInFlight);
        results.Clear();
        await ClosedLoopAsync("128 in flight", BusyInFlight);
        await ClosedLoopAsync("256 in flight", 2 * BusyInFlight);
        var best = results.Max(result => result.SagasPerSecond);
        var perSecond = 2 * best;
        await catalog.IssueCouponsAsync((int)(perSecond * duration.TotalSeconds / 5));
        Log($"overload: {perSecond:N0} orders a second for {duration.TotalSeconds:N0} s");
        var overload = await phases.OpenLoopAsync($"{perSecond:N0} placed a second, twice the best", perSecond, duration);
        results.Add(overload.Result);
        Print(overload.Result);
        Console.WriteLine($"  placed {overload.Placed:N0}, rejected {overload.Rejected:N0} (RESOURCE_EXHAUSTED), otherwise failed {overload.Failed:N0}");
        Console.WriteLine($"  sagas/s in each sixth: {string.Join(", ", overload.PerSixth.Select(sixth => $"{sixth:N0}"))}");
        Console.WriteLine($"  all that were placed had ended {overload.Drained.TotalSeconds:N1} s later");
        await ClosedLoopAsync("128 in flight, afterwards", BusyInFlight);
        await ClosedLoopAsync("256 in flight, afterwards", 2 * BusyInFlight);
        // The speed of a machine drifts by a tenth within minutes.
        var after = results.TakeLast(2).Max(result => result.SagasPerSecond);
        var sagas = overload.Result.SagasPerSecond;
        Console.WriteLine($"  overload: {sagas / best:P0} of the best before it, {sagas / after:P0} of the best after it, {2 * sagas / (best + after):P0} of their mean");
    }

    /// <summary>Samples the memory of each process at every tenth of the orders.</summary>
    public async Task RunMemoryAsync(int orders)
    {
        await FillAsync(1);
        for (var tenth = 1; tenth <= 10; tenth++)
        {
            results.Add(await phases.FixedCountAsync($"{tenth * orders / 10:N0} orders", BusyInFlight, orders / 10));
            memory.Add(new(tenth * orders / 10, ResourceCounters.ReadResidentMegabytes(shop)));
            Print(results[^1]);
            Console.WriteLine($"  resident MB: {string.Join(", ", memory[^1].Megabytes.Select(process => $"{process.Key} {process.Value:N0}"))}");
        }
    }

    /// <param name="peer">What a peer has done with the same loads, in the same order. Empty: none was run.</param>
    /// <returns>All invariants hold, and traces were sent if they were on.</returns>
    public async Task<bool> ReportAsync(bool json, IReadOnlyList<PeerResult> peer)
    {
        var megabytes = ResourceCounters.ReadResidentMegabytes(shop);
        var redisSize = await RedisSize.ReadAsync(shop.Redis);
        Log("the audit");
        var begun = Stopwatch.GetTimestamp();
        while ((await shop.Clients.Orders.ListOpenOrdersAsync(new() { PageSize = 1 })).Orders.Count > 0
            && Stopwatch.GetElapsedTime(begun) < OpenOrdersTimeout)
        {
            await Task.Delay(200);
        }
        var invariants = await AuditRunner.RunAsync(shop.Clients, TimeSpan.FromSeconds(60), _ => { }, default);

        var report = new BenchReport(load, shop.FirstAnswer.TotalSeconds, floorPerSecond, results, megabytes, memory, redisSize, invariants, peer);
        report.Print();
        var file = Path.Combine("artifacts", "bench.json");
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(report, ReportJson));
        if (json) Console.WriteLine(await File.ReadAllTextAsync(file));
        else Console.WriteLine($"The same as JSON: {file}");
        if (shop.TraceRequests is { } requests) Console.WriteLine($"Traces were on: {requests:N0} batches of spans were sent.");
        // Without spans the cost of traces was not measured.
        return shop.TraceRequests != 0 && invariants.All(invariant => invariant.Holds);
    }

    public async ValueTask DisposeAsync()
    {
        await completions.DisposeAsync();
        await shop.DisposeAsync();
    }

    private async Task FillAsync(int times)
    {
        Log($"filling: {times * BenchCatalog.InitialProducts:N0} products, {times * BenchCatalog.InitialAccounts:N0} accounts");
        await catalog.FillAsync(times);
    }

    private async Task ClosedLoopAsync(string name, int inFlight, bool hot = false)
    {
        await catalog.IssueCouponsAsync((int)(Math.Min(1_500, 120 * inFlight) * 0.2 * (WarmUp + measured).TotalSeconds));
        results.Add(await phases.ClosedLoopAsync(name, inFlight, hot, WarmUp, measured));
        Print(results[^1]);
    }

    private async Task BurstAsync(int orders)
    {
        await catalog.IssueCouponsAsync(orders / 5);
        results.Add(await phases.BurstAsync(orders, 256));
        Print(results[^1]);
    }

    private async Task MeasureFloorAsync()
    {
        Log("the floor: the same commands on Redis alone, 128 in flight");
        floorPerSecond = await new Floor(shop.Redis).RunAsync(BusyInFlight, measured / 2);
        Console.WriteLine($"  {floorPerSecond:N0} sagas/s");
    }

    private static void Print(PhaseResult last)
    {
        Log(last.Name);
        Console.WriteLine(
            $"  {last.SagasPerSecond:N0} sagas/s, p50 {last.P50Ms:N1} ms, p99 {last.P99Ms:N1} ms, {last.Cpu:N2} CPU s per 1,000, "
            + $"{last.Commands:N1} Redis commands and {last.Calls:N1} gRPC calls per saga");
    }

    private static void Log(string what) => Console.Error.WriteLine($"{TimeProvider.System.GetLocalNow():HH:mm:ss} {what}");
}
