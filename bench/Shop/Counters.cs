using System.Diagnostics;
using System.Globalization;
using System.Text;
using Daprd.Redis;
using Shared;

namespace Bench;

/// <summary>What has been used up to now.</summary>
/// <param name="Cpu">Seconds by process.</param>
/// <param name="Commands">Commands sent to Redis, by name; those of this bench left out.</param>
/// <param name="Calls">gRPC calls by service: those it made to its sidecar, and those it answered, from its sidecar or from clients.</param>
internal sealed record Counters(IReadOnlyDictionary<string, double> Cpu, IReadOnlyDictionary<string, long> Commands, IReadOnlyDictionary<string, double> Calls)
{
    private static readonly HttpClient Http = new();

    /// <summary>What only the bench itself calls, and what scripts call: EVAL counts for them.</summary>
    private static readonly string[] NotCounted = ["xread", "info", "memory|usage", "scan", "hget", "hset", "hincrby"];

    public static async Task<Counters> ReadAsync(ShopUnderTest shop)
    {
        var cpu = shop.Processes.ToDictionary(process => process.Key, process =>
        {
            process.Value.Refresh();
            return process.Value.TotalProcessorTime.TotalSeconds;
        });
        var stats = Encoding.UTF8.GetString((await shop.Redis.SendAsync("INFO", "commandstats")).Bytes);
        var commands = stats.Split('\n').Where(line => line.StartsWith("cmdstat_", StringComparison.Ordinal)).Select(line => line["cmdstat_".Length..].Split(':', 2))
            .Where(line => !NotCounted.Contains(line[0]))
            .ToDictionary(line => line[0], line => long.Parse(line[1].Split(',')[0]["calls=".Length..], CultureInfo.InvariantCulture));
        var calls = await Task.WhenAll(shop.Metrics.Select(async service => (service.Key, Calls: CallsIn(await Http.GetStringAsync($"{service.Value}/metrics")))));
        return new(cpu, commands, calls.ToDictionary(service => service.Key, service => service.Calls));
    }

    /// <summary>gRPC is HTTP/2, and nothing else here is. A call that was not answered has no version.</summary>
    private static double CallsIn(string metrics)
    {
        var told = PrometheusText.Parse(metrics);
        return new[] { "http_client_request_duration_seconds", "http_server_request_duration_seconds" }
            .SelectMany(name => told[name].Samples.Where(sample => sample.Name == $"{name}_count"))
            .Where(sample => sample.Labels.GetValueOrDefault("network_protocol_version") == "2").Sum(sample => sample.Value);
    }

    public static Counters operator -(Counters after, Counters before) => new(
        after.Cpu.ToDictionary(process => process.Key, process => process.Value - before.Cpu.GetValueOrDefault(process.Key)),
        after.Commands.ToDictionary(command => command.Key, command => command.Value - before.Commands.GetValueOrDefault(command.Key)).Where(command => command.Value > 0).ToDictionary(),
        after.Calls.ToDictionary(service => service.Key, service => service.Value - before.Calls.GetValueOrDefault(service.Key)));

    public static IReadOnlyDictionary<string, double> MegabytesResident(ShopUnderTest shop) => shop.Processes.ToDictionary(process => process.Key, process =>
    {
        process.Value.Refresh();
        return process.Value.WorkingSet64 / 1e6;
    });
}
