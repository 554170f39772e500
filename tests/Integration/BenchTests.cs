using System.Diagnostics;
using System.Text.Json;
using Integration.Chaos;
using Xunit.Abstractions;

namespace Integration;

/// <summary>
/// What one order costs, counted; and that the whole has not become several times slower, as a ratio to what Redis alone does in the same
/// minute, with a wide margin for whatever else the machine is doing.
/// </summary>
[Collection(nameof(Sequential))]
public sealed class BenchTests(ITestOutputHelper output)
{
    /// <summary>Half of what is reached on a busy machine with processes that have just started.</summary>
    private const double ShareOfFloorMin = 0.08;

    /// <summary>44 is the mean; of a few hundred orders more or fewer have a coupon, which costs some seven more.</summary>
    private const int CommandsMax = 48;

    /// <summary>34 for an order without a coupon, some seven more for one with, a few of sweeps and looks at health.</summary>
    private const int CallsMax = 38;

    [Fact]
    public async Task An_order_is_cheap_and_the_whole_keeps_pace_with_Redis()
    {
        var start = new ProcessStartInfo("dotnet", [RunningShop.ProgramOf("Bench.Shop"), "--quick", "--seconds", "6"])
        {
            WorkingDirectory = RunningShop.Root, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using var bench = Process.Start(start)!;
        var said = await Task.WhenAll(bench.StandardOutput.ReadToEndAsync(), bench.StandardError.ReadToEndAsync());
        await bench.WaitForExitAsync();
        output.WriteLine(said[0]);
        Assert.True(bench.ExitCode == 0, string.Join('\n', said));

        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(RunningShop.Root, "artifacts/bench.json")));
        var floor = report.RootElement.GetProperty("floorPerSecond").GetDouble();
        var (alone, busy) = (report.RootElement.GetProperty("results")[0], report.RootElement.GetProperty("results")[1]);
        Assert.InRange(alone.GetProperty("commands").GetDouble(), 30, CommandsMax);
        Assert.InRange(alone.GetProperty("calls").GetDouble(), 30, CallsMax);
        Assert.InRange(busy.GetProperty("calls").GetDouble(), 1, alone.GetProperty("calls").GetDouble() / 2);
        Assert.InRange(busy.GetProperty("commands").GetDouble(), 20, alone.GetProperty("commands").GetDouble());
        Assert.InRange(busy.GetProperty("sagasPerSecond").GetDouble() / floor, ShareOfFloorMin, 1);
        Assert.InRange(report.RootElement.GetProperty("space").GetProperty("bytesPerOrder").GetDouble(), 500, 3_000);
    }
}
