using System.Diagnostics;
using System.Globalization;
using Shared;

namespace Bench;

/// <summary>Resources used since the processes started.</summary>
/// <param name="Cpu">CPU seconds by process.</param>
/// <param name="Commands">Redis commands by name, without those of this bench.</param>
/// <param name="Operations">Operations of the sidecars (read, write, delete, publish, deliver), each alone also where several share a call.</param>
/// <param name="Calls">gRPC calls by service: those it made to its sidecar, and those it answered for its sidecar or clients.</param>
internal sealed record ResourceCounters(
    IReadOnlyDictionary<string, double> Cpu, IReadOnlyDictionary<string, long> Commands, IReadOnlyDictionary<string, double> Operations,
    IReadOnlyDictionary<string, double> Calls)
{
    private static readonly HttpClient Http = new();

    /// <summary>Commands that only the bench sends, and commands inside scripts, which count as one EVALSHA.</summary>
    private static readonly string[] Ignored = ["xread", "info", "memory|usage", "scan", "hget", "hset", "hincrby"];

    private static readonly string[] RequestDurations = ["http_client_request_duration_seconds", "http_server_request_duration_seconds"];

    public static async Task<ResourceCounters> ReadAsync(ShopUnderTest shop)
    {
        var cpu = shop.Processes.ToDictionary(process => process.Key, process =>
        {
            process.Value.Refresh();
            return process.Value.TotalProcessorTime.TotalSeconds;
        });
        var stats = (string)(await shop.Redis.ExecuteAsync("INFO", "commandstats"))!;
        var commands = stats.Split('\n')
            .Where(line => line.StartsWith("cmdstat_", StringComparison.Ordinal)).Select(line => line["cmdstat_".Length..].Split(':', 2))
            .Where(line => !Ignored.Contains(line[0]))
            .ToDictionary(line => line[0], line => long.Parse(line[1].Split(',')[0]["calls=".Length..], CultureInfo.InvariantCulture));
        var metrics = await Task.WhenAll(shop.Metrics.Select(async service =>
            (service.Key, Families: PrometheusText.Parse(await Http.GetStringAsync($"{service.Value}/metrics")))));
        return new(
            cpu, commands,
            metrics.SelectMany(service => service.Families["saga_sidecar_operations_total"].Samples).GroupBy(sample => sample.Labels["operation"])
                .ToDictionary(operation => operation.Key, operation => operation.Sum(sample => sample.Value)),
            metrics.ToDictionary(service => service.Key, service => CountCalls(service.Families)));
    }

    /// <summary>Only gRPC uses HTTP/2 here. A call without an answer has no version.</summary>
    private static double CountCalls(IReadOnlyDictionary<string, Family> families) => RequestDurations
        .SelectMany(name => families[name].Samples.Where(sample => sample.Name == $"{name}_count"))
        .Where(sample => sample.Labels.GetValueOrDefault("network_protocol_version") == "2").Sum(sample => sample.Value);

    public static ResourceCounters operator -(ResourceCounters after, ResourceCounters before) => new(
        after.Cpu.ToDictionary(process => process.Key, process => process.Value - before.Cpu.GetValueOrDefault(process.Key)),
        after.Commands.ToDictionary(command => command.Key, command => command.Value - before.Commands.GetValueOrDefault(command.Key))
                .Where(command => command.Value > 0).ToDictionary(),
        after.Operations.ToDictionary(operation => operation.Key, operation => operation.Value - before.Operations.GetValueOrDefault(operation.Key)),
        after.Calls.ToDictionary(service => service.Key, service => service.Value - before.Calls.GetValueOrDefault(service.Key)));

    public static IReadOnlyDictionary<string, double> ReadResidentMegabytes(ShopUnderTest shop) =>
        shop.Processes.ToDictionary(process => process.Key, process =>
    {
        process.Value.Refresh();
        return process.Value.WorkingSet64 / 1e6;
    });
}
