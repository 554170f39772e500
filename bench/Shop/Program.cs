using System.Globalization;
using System.Text.Json;
using Bench;
using Shop;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Except(["--quick", "--json"]).ToArray() is [var unknown, ..])
{
    Console.Error.WriteLine($"I do not know '{unknown}'. Try: ./bench.sh [--quick] [--json]");
    return 1;
}
var quick = args.Contains("--quick");
var (warmUp, measured) = quick ? (TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5)) : (TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(20));
var loadBefore = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0]);

await using var shop = await ShopUnderTest.StartAsync(Directory.GetCurrentDirectory());
await using var finals = await Finals.HearAsync(shop.RedisAddress);
var goods = new Assortment(shop.Clients);
var phases = new Phases(shop, goods, finals);
var floor = new Floor(shop.Redis);
List<Result> results = [];

Said("filling: 1,000 products, 10,000 accounts");
await goods.FillAsync();
foreach (var inFlight in quick ? (int[])[1, 128] : [1, 16, 128])
{
    await goods.IssueCouponsAsync((int)(Math.Min(1_500, 120 * inFlight) * 0.2 * (warmUp + measured).TotalSeconds));
    await RunAsync(phases.ClosedLoopAsync($"{inFlight} in flight", inFlight, hot: false, warmUp, measured));
}
Said("the floor: the same commands on Redis alone, 128 in flight");
var floorPerSecond = await floor.RunAsync(128, measured / 2);
Console.WriteLine($"  {floorPerSecond:N0} sagas/s");
if (!quick)
{
    await goods.IssueCouponsAsync(5_000);
    await RunAsync(phases.ClosedLoopAsync("128 in flight, one hot product", 128, hot: true, warmUp, measured));
    await goods.IssueCouponsAsync(4_000);
    await RunAsync(phases.BurstAsync(20_000, 256));
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
if (args.Contains("--json")) Console.WriteLine(await File.ReadAllTextAsync(file));
else Console.WriteLine($"The same as JSON: {file}");
return invariants.All(invariant => invariant.Holds) ? 0 : 1;

async Task RunAsync(Task<Result> running)
{
    results.Add(await running);
    var last = results[^1];
    Said(last.Name);
    Console.WriteLine($"  {last.SagasPerSecond:N0} sagas/s, p50 {last.P50Ms:N1} ms, p99 {last.P99Ms:N1} ms, {last.Cpu:N2} CPU s per 1,000, {last.Commands:N1} Redis commands per saga");
}

static void Said(string what) => Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {what}");
