using System.Collections.Concurrent;
using System.Diagnostics;
using Shop;

namespace Bench;

/// <summary>How a phase went.</summary>
/// <param name="CpuSecondsPerThousand">By process.</param>
/// <param name="CommandsPerSaga">Of Redis, by command.</param>
/// <param name="CallsPerSaga">Of gRPC, by service.</param>
internal sealed record Result(
    string Name, double AcceptedPerSecond, double SagasPerSecond, long Confirmed, long Failed, double P50Ms, double P99Ms, double MaxMs,
    IReadOnlyDictionary<string, double> CpuSecondsPerThousand, IReadOnlyDictionary<string, double> CommandsPerSaga,
    IReadOnlyDictionary<string, double> CallsPerSaga)
{
    public double Cpu => CpuSecondsPerThousand.Where(process => process.Key != "driver").Sum(process => process.Value);

    public double Commands => CommandsPerSaga.Values.Sum();

    public double Calls => CallsPerSaga.Values.Sum();
}

/// <summary>Customers who place orders and wait for their end.</summary>
internal sealed class Phases(ShopUnderTest shop, Assortment goods, Finals finals)
{
    /// <summary>Each customer places the next order when the last has ended.</summary>
    public async Task<Result> ClosedLoopAsync(string name, int inFlight, bool hot, TimeSpan warmUp, TimeSpan measured)
    {
        var latencies = new ConcurrentBag<double>();
        var measuring = false;
        var over = false;
        long accepted = 0;
        var customers = Enumerable.Range(0, inFlight).Select(async at =>
        {
            var chance = new Random(at);
            while (!Volatile.Read(ref over))
            {
                var begun = Stopwatch.GetTimestamp();
                var placed = await shop.Clients.Orders.PlaceOrderAsync(goods.Order(chance, hot));
                if (Volatile.Read(ref measuring)) Interlocked.Increment(ref accepted);
                var ended = await finals.EndAsync(placed.Order.OrderId);
                if (Volatile.Read(ref measuring)) latencies.Add(Stopwatch.GetElapsedTime(begun, ended).TotalMilliseconds);
            }
        }).ToArray();
        await Task.Delay(warmUp);
        var (before, confirmed, failed, watch) = (await Counters.ReadAsync(shop), finals.Confirmed, finals.Failed, Stopwatch.StartNew());
        Volatile.Write(ref measuring, true);
        await Task.Delay(measured);
        Volatile.Write(ref measuring, false);
        var seconds = watch.Elapsed.TotalSeconds;
        (confirmed, failed) = (finals.Confirmed - confirmed, finals.Failed - failed);
        var used = await Counters.ReadAsync(shop) - before;
        Volatile.Write(ref over, true);
        await Task.WhenAll(customers);
        return ResultOf(name, accepted / seconds, seconds, confirmed, failed, latencies, used);
    }

    /// <summary>So many orders by customers who wait for each.</summary>
    public async Task<Result> ManyAsync(string name, int inFlight, int orders)
    {
        var latencies = new ConcurrentBag<double>();
        var (before, confirmed, failed, watch) = (await Counters.ReadAsync(shop), finals.Confirmed, finals.Failed, Stopwatch.StartNew());
        await Parallel.ForAsync(0, orders, new ParallelOptions { MaxDegreeOfParallelism = inFlight }, async (at, _) =>
        {
            var begun = Stopwatch.GetTimestamp();
            var placed = await shop.Clients.Orders.PlaceOrderAsync(goods.Order(new(at), hot: false));
            latencies.Add(Stopwatch.GetElapsedTime(begun, await finals.EndAsync(placed.Order.OrderId)).TotalMilliseconds);
        });
        var seconds = watch.Elapsed.TotalSeconds;
        return ResultOf(name, orders / seconds, seconds, finals.Confirmed - confirmed, finals.Failed - failed, latencies, await Counters.ReadAsync(shop) - before);
    }

    /// <summary>Orders are placed as fast as they are accepted; then all of them end.</summary>
    public async Task<Result> BurstAsync(int orders, int atOnce)
    {
        var latencies = new ConcurrentBag<double>();
        var (before, confirmed, failed, watch) = (await Counters.ReadAsync(shop), finals.Confirmed, finals.Failed, Stopwatch.StartNew());
        var ends = new ConcurrentBag<Task>();
        await Parallel.ForAsync(0, orders, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (at, _) =>
        {
            var begun = Stopwatch.GetTimestamp();
            var placed = await shop.Clients.Orders.PlaceOrderAsync(goods.Order(new(at), hot: false));
            ends.Add(EndAsync(placed.Order.OrderId, begun));
        });
        var accepted = orders / watch.Elapsed.TotalSeconds;
        await Task.WhenAll(ends);
        var seconds = watch.Elapsed.TotalSeconds;
        return ResultOf($"burst of {orders:N0}", accepted, seconds, finals.Confirmed - confirmed, finals.Failed - failed, latencies, await Counters.ReadAsync(shop) - before);

        async Task EndAsync(string order, long begun) => latencies.Add(Stopwatch.GetElapsedTime(begun, await finals.EndAsync(order)).TotalMilliseconds);
    }

    private static Result ResultOf(
        string name, double acceptedPerSecond, double seconds, long confirmed, long failed, IEnumerable<double> latencies, Counters used)
    {
        double[] sorted = [.. latencies.Order()];
        double At(double share) => sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];
        var sagas = Math.Max(1, confirmed + failed);
        return new(name, acceptedPerSecond, (confirmed + failed) / seconds, confirmed, failed, At(0.5), At(0.99), At(1),
            used.Cpu.ToDictionary(process => process.Key, process => process.Value * 1000 / sagas),
            used.Commands.ToDictionary(command => command.Key, command => (double)command.Value / sagas),
            used.Calls.ToDictionary(service => service.Key, service => service.Value / sagas));
    }
}
