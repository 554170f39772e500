using System.Diagnostics;
using System.Text.Json;
using Shop;

namespace Bench;

/// <summary>A shop of its own, what is done to it, and what came of it.</summary>
internal sealed class Measuring : IAsyncDisposable
{
    private const int Busy = 128;

    private readonly ShopUnderTest shop;
    private readonly Finals finals;
    private readonly Assortment goods;
    private readonly Phases phases;
    private readonly TimeSpan measured;
    private readonly double load;
    private readonly List<Result> results = [];
    private readonly List<Memory> memory = [];
    private double floorPerSecond;

    private Measuring(ShopUnderTest shop, Finals finals, TimeSpan measured, double load)
    {
        (this.shop, this.finals, this.measured, this.load) = (shop, finals, measured, load);
        goods = new(shop.Clients);
        phases = new(shop, goods, finals);
    }

    private TimeSpan WarmUp => measured / 4;

    /// <param name="traces">See <see cref="ShopUnderTest.StartAsync"/>.</param>
    public static async Task<Measuring> StartAsync(TimeSpan measured, bool traces)
    {
        var load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0]);
        var shop = await ShopUnderTest.StartAsync(Directory.GetCurrentDirectory(), traces);
        Said($"started, and the first order answered, in {shop.FirstAnswer.TotalSeconds:N1} s");
        return new(shop, await Finals.HearAsync(shop.RedisAddress), measured, load);
    }

    public async Task LoadsAsync(int[] customers, bool alsoHotAndBurst)
    {
        await FillAsync(1);
        foreach (var count in customers) await ClosedLoopAsync($"{count} in flight", count);
        await FloorAsync();
        if (!alsoHotAndBurst) return;
        await ClosedLoopAsync("128 in flight, one hot product", Busy, hot: true);
        await BurstAsync(20_000);
    }

    /// <summary>The same load, with ten times the products and accounts, the orders in the store, the events that wait.</summary>
    public async Task GrowthAsync()
    {
        await FillAsync(1);
        await ClosedLoopAsync("warm-up", Busy);
        results.Clear();
        await ClosedLoopAsync("as it is", Busy);
        await BurstAsync(2_000);
        await FloorAsync();
        await FillAsync(10);
        await ClosedLoopAsync("10 times the products and accounts", Busy);
        Said("copying finished orders");
        var before = await Copies.CountAsync(shop.Redis);
        await Copies.MakeAsync(shop.Redis, 9);
        await ClosedLoopAsync($"10 times the orders in the store: {10 * before:N0}", Busy);
        await BurstAsync(20_000);
    }

    /// <summary>What stays in memory when orders come and go.</summary>
    public async Task MemoryAsync(int orders)
    {
        await FillAsync(1);
        for (var tenth = 1; tenth <= 10; tenth++)
        {
            results.Add(await phases.ManyAsync($"{tenth * orders / 10:N0} orders", Busy, orders / 10));
            memory.Add(new(tenth * orders / 10, Counters.MegabytesResident(shop)));
            Print(results[^1]);
            Console.WriteLine($"  resident MB: {string.Join(", ", memory[^1].Megabytes.Select(process => $"{process.Key} {process.Value:N0}"))}");
        }
    }

    /// <returns>Whether all invariants hold.</returns>
    public async Task<bool> ReportAsync(bool json)
    {
        var megabytes = Counters.MegabytesResident(shop);
        var space = await Space.ReadAsync(shop.Redis);
        Said("the audit");
        var rest = DateTime.UtcNow.AddSeconds(60);
        while ((await shop.Clients.Orders.ListOpenOrdersAsync(new() { PageSize = 1 })).Orders.Count > 0 && DateTime.UtcNow < rest) await Task.Delay(200);
        var invariants = await Rereading.AuditAsync(shop.Clients, TimeSpan.FromSeconds(60), _ => { }, default);

        var report = new Report(load, shop.FirstAnswer.TotalSeconds, floorPerSecond, results, megabytes, memory, space, invariants);
        report.Print();
        var file = Path.Combine("artifacts", "bench.json");
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }));
        if (json) Console.WriteLine(await File.ReadAllTextAsync(file));
        else Console.WriteLine($"The same as JSON: {file}");
        if (shop.TraceRequests is { } requests) Console.WriteLine($"Traces were on: {requests:N0} batches of spans were sent.");
        // Traces that were asked for and not sent were not measured.
        return shop.TraceRequests != 0 && invariants.All(invariant => invariant.Holds);
    }

    public async ValueTask DisposeAsync()
    {
        await finals.DisposeAsync();
        await shop.DisposeAsync();
    }

    private async Task FillAsync(int times)
    {
        Said($"filling: {times * Assortment.ProductsAtFirst:N0} products, {times * Assortment.AccountsAtFirst:N0} accounts");
        await goods.FillAsync(times);
    }

    private async Task ClosedLoopAsync(string name, int inFlight, bool hot = false)
    {
        await goods.IssueCouponsAsync((int)(Math.Min(1_500, 120 * inFlight) * 0.2 * (WarmUp + measured).TotalSeconds));
        results.Add(await phases.ClosedLoopAsync(name, inFlight, hot, WarmUp, measured));
        Print(results[^1]);
    }

    private async Task BurstAsync(int orders)
    {
        await goods.IssueCouponsAsync(orders / 5);
        results.Add(await phases.BurstAsync(orders, 256));
        Print(results[^1]);
    }

    private async Task FloorAsync()
    {
        Said("the floor: the same commands on Redis alone, 128 in flight");
        floorPerSecond = await new Floor(shop.Redis).RunAsync(Busy, measured / 2);
        Console.WriteLine($"  {floorPerSecond:N0} sagas/s");
    }

    private static void Print(Result last)
    {
        Said(last.Name);
        Console.WriteLine($"  {last.SagasPerSecond:N0} sagas/s, p50 {last.P50Ms:N1} ms, p99 {last.P99Ms:N1} ms, {last.Cpu:N2} CPU s per 1,000, {last.Commands:N1} Redis commands and {last.Calls:N1} gRPC calls per saga");
    }

    private static void Said(string what) => Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {what}");
}
