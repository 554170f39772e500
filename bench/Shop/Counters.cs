using System.Diagnostics;
using System.Globalization;
using System.Text;
using Daprd.Redis;

namespace Bench;

/// <summary>What has been used up to now.</summary>
/// <param name="Cpu">Seconds by process.</param>
/// <param name="Commands">Commands sent to Redis, by name; those of this bench left out.</param>
internal sealed record Counters(IReadOnlyDictionary<string, double> Cpu, IReadOnlyDictionary<string, long> Commands)
{
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
        return new(cpu, commands);
    }

    public static Counters operator -(Counters after, Counters before) => new(
        after.Cpu.ToDictionary(process => process.Key, process => process.Value - before.Cpu.GetValueOrDefault(process.Key)),
        after.Commands.ToDictionary(command => command.Key, command => command.Value - before.Commands.GetValueOrDefault(command.Key)).Where(command => command.Value > 0).ToDictionary());

    public static IReadOnlyDictionary<string, double> MegabytesResident(ShopUnderTest shop) => shop.Processes.ToDictionary(process => process.Key, process =>
    {
        process.Value.Refresh();
        return process.Value.WorkingSet64 / 1e6;
    });
}
