using System.Diagnostics;
using Grpc.Core;

namespace Bench;

/// <summary>What one call or message costs: CPU microseconds and allocated bytes, on either side.</summary>
internal sealed record Cost(
    string Load, int Count, double PerSecond, double ClientCpu, double ServerCpu, double ClientBytes, double ServerBytes);

/// <summary>Live bytes after full collections, before and after many calls.</summary>
internal sealed record Growth(int Calls, long ClientBefore, long ClientAfter, long ServerBefore, long ServerAfter);

internal sealed class Meter(Echo.EchoClient client)
{
    private static readonly Metadata Collect = new() { { "collect", "1" } };

    public async Task<Cost> MeasureAsync(string load, int count, Func<int, Task> run)
    {
        // Until the code that matters is compiled for good.
        await run(count);
        var (client0, server0) = (Spending.Now(collect: false), await client.AccountAsync(new Nothing()));
        var clock = Stopwatch.StartNew();
        await run(count);
        var seconds = clock.Elapsed.TotalSeconds;
        var (client1, server1) = (Spending.Now(collect: false), await client.AccountAsync(new Nothing()));
        return new(
            load, count, count / seconds,
            (client1.CpuMicroseconds - client0.CpuMicroseconds) / count,
            (server1.CpuMicroseconds - server0.CpuMicroseconds) / count,
            (double)(client1.AllocatedBytes - client0.AllocatedBytes) / count,
            (double)(server1.AllocatedBytes - server0.AllocatedBytes) / count);
    }

    public async Task<Growth> GrowthAsync(int calls, Func<int, Task> run)
    {
        var (client0, server0) = (Spending.Now(collect: true), await client.AccountAsync(new Nothing(), Collect));
        await run(calls);
        var (client1, server1) = (Spending.Now(collect: true), await client.AccountAsync(new Nothing(), Collect));
        return new(calls, client0.LiveBytes, client1.LiveBytes, server0.LiveBytes, server1.LiveBytes);
    }
}
