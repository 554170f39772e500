using System.Text.Json;
using Bench;

if (args.Except(["--json"]).Any())
{
    Console.Error.WriteLine("bench/Daprd [--json]");
    Environment.ExitCode = 1;
    return;
}

var load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0]);
await using var redis = await RedisProcess.StartAsync();
await using var sidecars = await Sidecars.StartAsync(redis.Port);
await using var redisOnly = await RedisOnly.StartAsync(redis.Port);
var viaSidecar = new ViaSidecar(sidecars);

var lines = new List<Line>();
lines.Add(await Measure.EventsPerSecondAsync(viaSidecar, redisOnly));
lines.AddRange(await Measure.DeliveryLatencyAsync(viaSidecar, redisOnly));
lines.Add(await Measure.PerSecondAsync("state reads per second, 64 at once", viaSidecar.ReadAsync, redisOnly.ReadAsync));
lines.Add(await Measure.PerSecondAsync("state writes per second, 64 at once", viaSidecar.WriteAsync, redisOnly.WriteAsync));
lines.Add(await Measure.CpuAsync("CPU seconds per 1,000 empty calls, 1,000 a second", sidecars.Process, viaSidecar.CallAsync, bar: null));
lines.Add(await Measure.CpuAsync("CPU seconds per 1,000 publishes, 1,000 a second", sidecars.Process, viaSidecar.PublishUnsubscribedAsync, bar: 0.105));
lines.Add(await Measure.CpuAsync("CPU seconds per 1,000 state reads, 1,000 a second", sidecars.Process, viaSidecar.ReadAsync, bar: 0.142));
lines.Add(await Measure.MemoryAsync(sidecars.Process, viaSidecar, bar: 120));

if (args.Contains("--json"))
{
    Console.WriteLine(JsonSerializer.Serialize(new { load, lines }, JsonSerializerOptions.Web));
}
else
{
    Console.WriteLine($"{"",-52}{"through it",12}{"directly",12}{"bar",10}");
    foreach (var line in lines) Console.WriteLine($"{line.What,-52}{line.ViaSidecar,12:#,0.###}{line.RedisOnly,12:#,0.###}{line.Bar,10:#,0.###}");
    Console.WriteLine($"Load of the machine before: {load}. 'Directly' is the same done on Redis with the same client in this process.");
}
