using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bench;

/// <summary>One measurement of a peer: the same shop, built on something else.</summary>
/// <param name="Name">What it is built on, and with which options.</param>
/// <param name="Concurrency">Orders in flight.</param>
/// <param name="CpuSPer1000Sagas">Of all its processes, and of its driver.</param>
internal sealed record PeerResult(
    string Name, int Concurrency, double SagasPerS, double P50Ms, double P99Ms,
    [property: JsonPropertyName("cpu_s_per_1000_sagas"), JsonRequired] double CpuSPer1000Sagas);

/// <summary>Runs a peer just before this shop is measured, because two runs at different times compare the machine with itself.</summary>
internal static class Peer
{
    private const string Script = "run-peer.sh";

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <param name="folder">Has the script run-peer.sh, which is called with the numbers of orders in flight, such as 1,16,128, and prints a JSON line for each.</param>
    /// <param name="customers">Orders in flight.</param>
    /// <param name="hot">Also all for one product, with the last of these numbers.</param>
    /// <exception cref="InvalidOperationException">The script is not there or has failed, or a line is something else.</exception>
    public static async Task<IReadOnlyList<PeerResult>> RunAsync(string folder, IReadOnlyList<int> customers, bool hot, TimeSpan measured)
    {
        if (!File.Exists(Path.Combine(folder, Script))) throw new InvalidOperationException($"--peer: there is no {Script} in {folder}.");
        // It is built where it is, which may be a folder that cannot be written.
        var copy = Directory.CreateTempSubdirectory("peer-");
        try
        {
            using (var copying = Process.Start("cp", ["-r", $"{Path.GetFullPath(folder)}/.", copy.FullName])) await copying.WaitForExitAsync();
            List<PeerResult> results = [.. await RunScriptAsync(copy, string.Join(',', customers), "0", measured)];
            if (hot) results.AddRange(await RunScriptAsync(copy, $"{customers[^1]}", "1", measured));
            return results;
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    private static async Task<IReadOnlyList<PeerResult>> RunScriptAsync(DirectoryInfo folder, string customers, string hot, TimeSpan measured)
    {
        var start = new ProcessStartInfo(Path.Combine(folder.FullName, Script), [customers])
        {
            RedirectStandardOutput = true,
            // The load of this bench, and a shop that is warm: its programs are compiled before they are measured.
            Environment =
            {
                ["PRECHECK"] = "1", ["COUPONS"] = "20", ["PREHEAT"] = "45", ["HOT"] = hot,
                ["WARMUP"] = $"{(int)Math.Ceiling(measured.TotalSeconds / 4)}", ["SECONDS_MEASURED"] = $"{(int)measured.TotalSeconds}",
            },
        };
        using var script = Process.Start(start)!;
        var lines = (await script.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await script.WaitForExitAsync();
        if (script.ExitCode != 0) throw new InvalidOperationException($"--peer: {Script} ended with exit code {script.ExitCode}.");
        try
        {
            return [.. lines.Select(line => JsonSerializer.Deserialize<PeerResult>(line, SnakeCase)!)];
        }
        catch (JsonException problem)
        {
            throw new InvalidOperationException($"--peer: {Script} printed a line that is no result: {problem.Message}");
        }
    }

    /// <summary>Prints what this shop does beside what the peer does, and their ratio.</summary>
    public static void Print(IReadOnlyList<PeerResult> peer, IReadOnlyList<PhaseResult> results)
    {
        Console.WriteLine($"{"",-32}{"sagas/s",9}{"peer",9}{"ratio",8}{"p50 ms",10}{"peer",9}{"ratio",8}{"CPU s/1000",13}{"peer",9}{"ratio",8}");
        foreach (var (one, own) in peer.Zip(results.Take(peer.Count)))
        {
            Console.WriteLine(
                $"{own.Name,-32}{own.SagasPerSecond,9:N0}{one.SagasPerS,9:N0}{own.SagasPerSecond / one.SagasPerS,8:N2}"
                + $"{own.P50Ms,10:N1}{one.P50Ms,9:N1}{own.P50Ms / one.P50Ms,8:N2}{own.Cpu,13:N2}{one.CpuSPer1000Sagas,9:N2}{own.Cpu / one.CpuSPer1000Sagas,8:N2}");
        }
        Console.WriteLine($"The peer: {string.Join(", ", peer.Select(one => one.Name).Distinct())}.");
    }
}
