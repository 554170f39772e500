using Shop;
using Shop.Audits;

namespace Bench;

/// <summary>The results of a bench.</summary>
/// <param name="Load">Load average of the machine before the bench.</param>
/// <param name="FirstAnswerSeconds">From the start of the runner to the response to the first order.</param>
/// <param name="FloorPerSecond">Sagas per second of <see cref="Floor"/>. 0: not measured.</param>
/// <param name="Memory">Empty: not measured.</param>
/// <param name="Peer">The first of <paramref name="Results"/>, by a peer. Empty: not measured.</param>
internal sealed record BenchReport(
    double Load, double FirstAnswerSeconds, double FloorPerSecond, IReadOnlyList<PhaseResult> Results, IReadOnlyDictionary<string, double> MegabytesResident,
    IReadOnlyList<MemorySample> Memory, RedisSize RedisSize, IReadOnlyList<Invariant> Invariants, IReadOnlyList<PeerResult> Peer)
{
    public void Print()
    {
        Console.WriteLine();
        Console.WriteLine(
            $"{"",-44}{"accepted/s",12}{"sagas/s",10}{"of floor",10}{"p50 ms",9}{"p99 ms",9}{"max ms",9}{"CPU s/1000",12}{"Redis/saga",12}{"Dapr/saga",11}{"gRPC/saga",11}");
        foreach (var result in Results)
        {
            Console.WriteLine(
                $"{result.Name,-44}{result.AcceptedPerSecond,12:N0}{result.SagasPerSecond,10:N0}"
                + $"{(FloorPerSecond > 0 ? result.SagasPerSecond / FloorPerSecond : null),10:P0}{result.P50Ms,9:N1}{result.P99Ms,9:N1}"
                + $"{result.MaxMs,9:N1}{result.Cpu,12:N2}{result.Commands,12:N1}{result.Operations,11:N1}{result.Calls,11:N1}");
        }
        if (FloorPerSecond > 0) Console.WriteLine($"{"floor, 128 in flight",-44}{"",12}{FloorPerSecond,10:N0}");
        Console.WriteLine();
        Table("CPU seconds per 1,000 sagas", result => result.CpuSecondsPerThousand);
        Table("Redis commands per saga", result => result.CommandsPerSaga);
        Table("Operations of the sidecars per saga", result => result.OperationsPerSaga);
        Table("gRPC calls per saga", result => result.CallsPerSaga);
        Console.WriteLine($"resident MB: {string.Join(", ", MegabytesResident.Select(process => $"{process.Key} {process.Value:N0}"))}");
        Console.WriteLine($"in Redis: {RedisSize.BytesPerOrder:N0} bytes per order, streams {RedisSize.StreamMegabytes:N1} MB");
        foreach (var invariant in Invariants)
        {
            Console.WriteLine(
                $"{(invariant.Holds ? "holds " : invariant.State == InvariantState.Broken ? "BROKEN" : "under way")} {invariant.Name}: {invariant.Sums}");
            foreach (var one in invariant.Discrepancies.Take(5)) Console.WriteLine($"       {one.What}");
        }
        if (Peer.Count > 0) Bench.Peer.Print(Peer, Results);
        Console.WriteLine($"Started, and the first order answered, in {FirstAnswerSeconds:N1} s.");
        Console.WriteLine($"Load of the machine before: {Load}.");
    }

    private void Table(string title, Func<PhaseResult, IReadOnlyDictionary<string, double>> of)
    {
        var names = Results.SelectMany(result => of(result).Keys).Distinct()
            .Where(name => Results.Any(result => of(result).GetValueOrDefault(name) >= 0.005))
            .Order().ToArray();
        var widths = names.Select(name => Math.Max(12, name.Length + 2)).ToArray();
        Console.WriteLine($"{title,-44}{string.Concat(names.Zip(widths, (name, width) => name.PadLeft(width)))}");
        foreach (var result in Results)
        {
            Console.WriteLine($"{result.Name,-44}{string.Concat(names.Zip(widths, (name, width) => $"{of(result).GetValueOrDefault(name):N2}".PadLeft(width)))}");
        }
        Console.WriteLine();
    }
}
