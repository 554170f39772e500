using System.Diagnostics;
using System.Text.Json;
using Shop.V1;

namespace Bench;

/// <summary>Compares both patterns in one run: under rising load, with a slow participant, and with one that does not answer for a while.</summary>
/// <param name="measured">Of each load.</param>
internal sealed class PatternComparison(ShopUnderTest shop, PatternLoad load, BenchCatalog catalog, TimeSpan measured)
{
    private const string AllWell = "all well", Slow = "Payments 200 ms slow", Down = "Payments down for 10 s";
    private const int Middle = 16;

    private static readonly SagaPattern[] Patterns = [SagaPattern.Choreography, SagaPattern.Orchestration];
    private static readonly TimeSpan SlowBy = TimeSpan.FromMilliseconds(200), DownFor = TimeSpan.FromSeconds(10);
    private static readonly JsonSerializerOptions ReportJson = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true, Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() },
    };

    public async Task<IReadOnlyList<PatternResult>> RunAsync()
    {
        List<PatternResult> results = [];
        foreach (var pattern in Patterns) await MeasureAsync(pattern, AllWell, 128, null); // warm-up
        foreach (var inFlight in (int[])[1, Middle, 128])
        {
            foreach (var pattern in Patterns) results.Add(await MeasureAsync(pattern, AllWell, inFlight, null));
        }
        shop.PaymentsLink!.Delay = SlowBy;
        foreach (var inFlight in (int[])[1, Middle, 128])
        {
            foreach (var pattern in Patterns) results.Add(await MeasureAsync(pattern, Slow, inFlight, null));
        }
        shop.PaymentsLink.Delay = TimeSpan.Zero;
        foreach (var pattern in Patterns) results.Add(await MeasureAsync(pattern, Down, Middle, FreezePaymentsAsync));
        return results;
    }

    public static async Task ReportAsync(IReadOnlyList<PatternResult> results, bool json)
    {
        var (file, chart) = (Path.Combine("artifacts", "patterns.json"), Path.Combine("artifacts", "patterns.svg"));
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(results, ReportJson));
        await File.WriteAllTextAsync(chart, PatternChart.Draw([.. results.Where(result => result.Circumstance == AllWell)]));
        if (json) Console.WriteLine(await File.ReadAllTextAsync(file));
        else Console.WriteLine($"\nThe same as JSON: {file}. Latency over load: {chart}");
    }

    private async Task<PatternResult> MeasureAsync(SagaPattern pattern, string circumstance, int inFlight, Func<Task>? during)
    {
        var duration = during is null ? measured : DownFor * 2;
        await catalog.IssueCouponsAsync((int)(Math.Min(800, 100 * inFlight) * 0.2 * (measured / 4 + duration).TotalSeconds));
        var result = await load.RunAsync(pattern, circumstance, inFlight, measured / 4, duration, during);
        Console.WriteLine(
            $"{circumstance,-24}{inFlight,4} in flight  {pattern,-14}{result.PerSecond,6:N0}/s  answer p50 {result.AnswerP50Ms,7:N1} ms  final p50 {result.P50Ms,7:N1}"
            + $"  p99 {result.P99Ms,8:N1}  max {result.MaxMs,8:N1}  {result.Confirmed,6:N0} confirmed {result.Failed,5:N0} failed {result.Errors,3:N0} errors"
            + $"  closed after {result.ClosedAfterSeconds,4:N1} s  {result.Cpu,5:N1} CPU s/1,000  {result.Commands,4:N0} Redis  {result.Calls,4:N0} gRPC");
        return result;
    }

    /// <summary>Stops Payments in the middle of the measurement: it accepts connections, and answers nothing.</summary>
    private async Task FreezePaymentsAsync()
    {
        await Task.Delay(DownFor / 2);
        Signal("STOP");
        await Task.Delay(DownFor);
        Signal("CONT");
    }

    private void Signal(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{shop.Processes["payments"].Id}"]);
        kill.WaitForExit();
    }
}
