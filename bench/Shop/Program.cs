using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Bench;
using Shop;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var inFlight = new Option<int[]>("--in-flight") { Description = "Customers who wait for their order before they place the next; 1, 16 and 128 unless said.", AllowMultipleArgumentsPerToken = true };
var seconds = new Option<int?>("--seconds") { Description = "How long each is measured, after a quarter of that to warm up; 20 unless said." };
var quick = new Option<bool>("--quick") { Description = "No hot product, no burst; unless said otherwise 1 and 128 in flight, 5 s each." };
var json = new Option<bool>("--json") { Description = "Print the report as JSON too; it is in artifacts/bench.json in any case." };
var bench = new RootCommand("Measures the whole system.") { inFlight, seconds, quick, json };
bench.SetAction(parsed => RunAsync(
    parsed.GetValue(inFlight) is { Length: > 0 } said ? said : parsed.GetValue(quick) ? [1, 128] : [1, 16, 128],
    TimeSpan.FromSeconds(parsed.GetValue(seconds) ?? (parsed.GetValue(quick) ? 5 : 20)), parsed.GetValue(quick), parsed.GetValue(json)));
return await bench.Parse(args).InvokeAsync();

static async Task<int> RunAsync(int[] customers, TimeSpan measured, bool quick, bool json)
{
    var warmUp = measured / 4;
    var loadBefore = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0]);

    await using var shop = await ShopUnderTest.StartAsync(Directory.GetCurrentDirectory());
    await using var finals = await Finals.HearAsync(shop.RedisAddress);
    var goods = new Assortment(shop.Clients);
    var phases = new Phases(shop, goods, finals);
    var floor = new Floor(shop.Redis);
    List<Result> results = [];

    Said("filling: 1,000 products, 10,000 accounts");
    await goods.FillAsync();
    foreach (var count in customers)
    {
        await goods.IssueCouponsAsync((int)(Math.Min(1_500, 120 * count) * 0.2 * (warmUp + measured).TotalSeconds));
        await AddAsync(phases.ClosedLoopAsync($"{count} in flight", count, hot: false, warmUp, measured));
    }
    Said("the floor: the same commands on Redis alone, 128 in flight");
    var floorPerSecond = await floor.RunAsync(128, measured / 2);
    Console.WriteLine($"  {floorPerSecond:N0} sagas/s");
    if (!quick)
    {
        await goods.IssueCouponsAsync(5_000);
        await AddAsync(phases.ClosedLoopAsync("128 in flight, one hot product", 128, hot: true, warmUp, measured));
        await goods.IssueCouponsAsync(4_000);
        await AddAsync(phases.BurstAsync(20_000, 256));
    }
    var megabytes = Counters.MegabytesResident(shop);
    var space = await Space.ReadAsync(shop.Redis);

    Said("the audit");
    var rest = DateTime.UtcNow.AddSeconds(60);
    while ((await shop.Clients.Orders.ListOpenOrdersAsync(new() { PageSize = 1 })).Orders.Count > 0 && DateTime.UtcNow < rest) await Task.Delay(200);
    var invariants = Audit.Of(await Books.ReadAsync(shop.Clients, _ => { }, default), TimeSpan.FromSeconds(60));

    var report = new Report(loadBefore, floorPerSecond, results, megabytes, space, invariants);
    report.Print();
    var file = Path.Combine("artifacts", "bench.json");
    await File.WriteAllTextAsync(file, JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }));
    if (json) Console.WriteLine(await File.ReadAllTextAsync(file));
    else Console.WriteLine($"The same as JSON: {file}");
    return invariants.All(invariant => invariant.Holds) ? 0 : 1;

    async Task AddAsync(Task<Result> running)
    {
        results.Add(await running);
        var last = results[^1];
        Said(last.Name);
        Console.WriteLine($"  {last.SagasPerSecond:N0} sagas/s, p50 {last.P50Ms:N1} ms, p99 {last.P99Ms:N1} ms, {last.Cpu:N2} CPU s per 1,000, {last.Commands:N1} Redis commands per saga");
    }

    static void Said(string what) => Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {what}");
}
