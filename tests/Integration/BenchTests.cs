using System.Diagnostics;
using System.Text.Json;
using Integration.Chaos;
using Xunit.Abstractions;

namespace Integration;

/// <summary>
/// The cost of one order in commands and calls, and the throughput as a share of the lower bound that Redis alone sets in the same minute, with
/// a wide margin for other load on the machine.
/// </summary>
[Collection(nameof(Sequential))]
public sealed class BenchTests(ITestOutputHelper output)
{
    /// <summary>Half of the share reached on a busy machine with processes that have just started.</summary>
    private const double ShareOfFloorMin = 0.08;

    /// <summary>
    /// Above the mean in docs/performance.md, since an order with a coupon costs some eight more and their share varies. Without the cache more reads
    /// precede a write, here and below.
    /// </summary>
    private static readonly int CommandsMax = RunningShop.IsCaching ? 62 : 70;

    /// <summary>36 for an order without a coupon, some eight more with one, and a few of sweeps and health checks.</summary>
    private static readonly int CallsMax = RunningShop.IsCaching ? 42 : 50;

    /// <summary>32 on average: what daprd does costs it about the same for each, whether it shares a call or not.</summary>
    private static readonly int OperationsMax = RunningShop.IsCaching ? 38 : 48;

    [Fact]
    public async Task An_order_stays_cheap_and_the_throughput_keeps_its_share_of_the_floor()
    {
        var start = new ProcessStartInfo("dotnet", [RunningShop.ProgramOf("Bench.Shop"), "--quick", "--seconds", "4"])
        {
            WorkingDirectory = RunningShop.Root, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using var bench = Process.Start(start)!;
        var outputs = await Task.WhenAll(bench.StandardOutput.ReadToEndAsync(), bench.StandardError.ReadToEndAsync());
        await bench.WaitForExitAsync();
        output.WriteLine(outputs[0]);
        Assert.True(bench.ExitCode == 0, string.Join('\n', outputs));

        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(RunningShop.Root, "artifacts/bench.json")));
        var floor = report.RootElement.GetProperty("floorPerSecond").GetDouble();
        var (single, busy) = (report.RootElement.GetProperty("results")[0], report.RootElement.GetProperty("results")[1]);
        // Sweeps and heartbeats, which on a slow machine fewer orders share.
        var idle = 1 / single.GetProperty("sagasPerSecond").GetDouble();
        Assert.InRange(single.GetProperty("commands").GetDouble(), 30, CommandsMax + 50 * idle);
        Assert.InRange(single.GetProperty("calls").GetDouble(), 30, CallsMax + 20 * idle);
        Assert.InRange(single.GetProperty("operations").GetDouble(), 25, OperationsMax + 20 * idle);
        Assert.InRange(busy.GetProperty("operations").GetDouble(), 20, OperationsMax);
        Assert.InRange(busy.GetProperty("calls").GetDouble(), 1, single.GetProperty("calls").GetDouble() / (RunningShop.IsBatching ? 2 : 1));
        Assert.InRange(busy.GetProperty("commands").GetDouble(), 20, single.GetProperty("commands").GetDouble());
        Assert.InRange(busy.GetProperty("sagasPerSecond").GetDouble() / floor, ShareOfFloorMin, 1);
        Assert.InRange(report.RootElement.GetProperty("redisSize").GetProperty("bytesPerOrder").GetDouble(), 500, 3_000);
    }
}
