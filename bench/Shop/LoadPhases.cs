using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using Shop;
using Shop.V1;

namespace Bench;

/// <summary>Runs a load and measures it.</summary>
internal sealed class LoadPhases(ShopUnderTest shop, BenchCatalog catalog, CompletionListener completions)
{
    /// <summary>Closed loop: each of <paramref name="inFlight"/> customers places its next order when the last has ended.</summary>
    /// <param name="hot">All orders are for the same product.</param>
    public async Task<PhaseResult> ClosedLoopAsync(string name, int inFlight, bool hot, TimeSpan warmUp, TimeSpan measured)
    {
        var latencies = new ConcurrentBag<double>();
        var measuring = false;
        var over = false;
        long accepted = 0;
        var customers = Enumerable.Range(0, inFlight).Select(async at =>
        {
            var random = new Random(at);
            while (!Volatile.Read(ref over))
            {
                var begun = Stopwatch.GetTimestamp();
                var placed = await shop.NextClients.Orders.PlaceOrderAsync(catalog.CreateOrder(random, hot));
                if (Volatile.Read(ref measuring)) Interlocked.Increment(ref accepted);
                var ended = await completions.WaitAsync(placed.Order.OrderId);
                if (Volatile.Read(ref measuring)) latencies.Add(Stopwatch.GetElapsedTime(begun, ended).TotalMilliseconds);
            }
        }).ToArray();
        await Task.Delay(warmUp);
        var (before, confirmed, failed, watch) = (await ResourceCounters.ReadAsync(shop), completions.Confirmed, completions.Failed, Stopwatch.StartNew());
        Volatile.Write(ref measuring, true);
        await Task.Delay(measured);
        Volatile.Write(ref measuring, false);
        var seconds = watch.Elapsed.TotalSeconds;
        (confirmed, failed) = (completions.Confirmed - confirmed, completions.Failed - failed);
        var used = await ResourceCounters.ReadAsync(shop) - before;
        Volatile.Write(ref over, true);
        await Task.WhenAll(customers);
        return CreateResult(name, accepted / seconds, seconds, confirmed, failed, latencies, used);
    }

    /// <summary>Closed loop with a fixed number of orders.</summary>
    public async Task<PhaseResult> FixedCountAsync(string name, int inFlight, int orders)
    {
        var latencies = new ConcurrentBag<double>();
        var (before, confirmed, failed, watch) = (await ResourceCounters.ReadAsync(shop), completions.Confirmed, completions.Failed, Stopwatch.StartNew());
        await Parallel.ForAsync(0, orders, new ParallelOptions { MaxDegreeOfParallelism = inFlight }, async (at, ct) =>
        {
            var begun = Stopwatch.GetTimestamp();
            var placed = await shop.NextClients.Orders.PlaceOrderAsync(catalog.CreateOrder(new(at), hot: false), cancellationToken: ct);
            latencies.Add(Stopwatch.GetElapsedTime(begun, await completions.WaitAsync(placed.Order.OrderId)).TotalMilliseconds);
        });
        var seconds = watch.Elapsed.TotalSeconds;
        return CreateResult(
            name, orders / seconds, seconds, completions.Confirmed - confirmed, completions.Failed - failed, latencies,
            await ResourceCounters.ReadAsync(shop) - before);
    }

    /// <summary>Places orders as fast as they are accepted, then waits until all have ended.</summary>
    public async Task<PhaseResult> BurstAsync(int orders, int concurrency)
    {
        var latencies = new ConcurrentBag<double>();
        var (before, confirmed, failed, watch) = (await ResourceCounters.ReadAsync(shop), completions.Confirmed, completions.Failed, Stopwatch.StartNew());
        var ends = new ConcurrentBag<Task>();
        await Parallel.ForAsync(0, orders, new ParallelOptions { MaxDegreeOfParallelism = concurrency }, async (at, ct) =>
        {
            var begun = Stopwatch.GetTimestamp();
            var placed = await shop.NextClients.Orders.PlaceOrderAsync(catalog.CreateOrder(new(at), hot: false), cancellationToken: ct);
            ends.Add(MeasureAsync(placed.Order.OrderId, begun));
        });
        var accepted = orders / watch.Elapsed.TotalSeconds;
        await Task.WhenAll(ends);
        var seconds = watch.Elapsed.TotalSeconds;
        return CreateResult(
            $"burst of {orders:N0}", accepted, seconds, completions.Confirmed - confirmed, completions.Failed - failed, latencies,
            await ResourceCounters.ReadAsync(shop) - before);

        async Task MeasureAsync(string order, long begun) => latencies.Add(Stopwatch.GetElapsedTime(begun, await completions.WaitAsync(order)).TotalMilliseconds);
    }

    /// <summary>Open loop: places orders at a constant rate, whatever becomes of them, and waits until all that were accepted have ended.</summary>
    public async Task<OverloadResult> OpenLoopAsync(string name, double perSecond, TimeSpan duration)
    {
        const int Sixths = 6;
        var latencies = new ConcurrentBag<double>();
        var (random, requests, ends, sixths) = (new Random(1), new List<Task>(), new ConcurrentBag<Task>(), new List<double>());
        long placed = 0, rejected = 0, failedRequests = 0;
        var (before, confirmed, failed, watch) = (await ResourceCounters.ReadAsync(shop), completions.Confirmed, completions.Failed, Stopwatch.StartNew());
        var counted = confirmed + failed;
        using (var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10)))
        {
            while (watch.Elapsed < duration)
            {
                while (requests.Count < watch.Elapsed.TotalSeconds * perSecond) requests.Add(PlaceAsync(catalog.CreateOrder(random, hot: false)));
                if (watch.Elapsed >= duration * (sixths.Count + 1) / Sixths)
                {
                    var now = completions.Confirmed + completions.Failed;
                    sixths.Add((now - counted) / (duration / Sixths).TotalSeconds);
                    counted = now;
                }
                await timer.WaitForNextTickAsync();
            }
        }
        var seconds = watch.Elapsed.TotalSeconds;
        (confirmed, failed) = (completions.Confirmed - confirmed, completions.Failed - failed);
        if (sixths.Count < Sixths) sixths.Add((completions.Confirmed + completions.Failed - counted) / (duration / Sixths).TotalSeconds);
        var used = await ResourceCounters.ReadAsync(shop) - before;
        watch.Restart();
        await Task.WhenAll(requests);
        await Task.WhenAll(ends);
        var result = CreateResult(name, placed / seconds, seconds, confirmed, failed, latencies, used);
        return new(result, requests.Count, rejected, failedRequests, sixths, watch.Elapsed);

        async Task PlaceAsync(PlaceOrderRequest request)
        {
            var begun = Stopwatch.GetTimestamp();
            try
            {
                var order = (await shop.NextClients.Orders.PlaceOrderAsync(request)).Order.OrderId;
                Interlocked.Increment(ref placed);
                ends.Add(MeasureAsync(order, begun));
            }
            catch (RpcException refused) when (refused.StatusCode == StatusCode.ResourceExhausted)
            {
                Interlocked.Increment(ref rejected);
            }
            catch (RpcException)
            {
                Interlocked.Increment(ref failedRequests);
            }
        }

        async Task MeasureAsync(string order, long begun) => latencies.Add(Stopwatch.GetElapsedTime(begun, await completions.WaitAsync(order)).TotalMilliseconds);
    }

    private static PhaseResult CreateResult(
        string name, double acceptedPerSecond, double seconds, long confirmed, long failed, IEnumerable<double> latencies, ResourceCounters used)
    {
        double[] sorted = [.. latencies.Order()];
        double At(double share) => sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];
        var sagas = Math.Max(1, confirmed + failed);
        return new(name, acceptedPerSecond, (confirmed + failed) / seconds, confirmed, failed, At(0.5), At(0.99), At(1),
            used.Cpu.ToDictionary(process => process.Key, process => process.Value * 1000 / sagas),
            used.Commands.ToDictionary(command => command.Key, command => (double)command.Value / sagas),
            used.Operations.ToDictionary(operation => operation.Key, operation => operation.Value / sagas),
            used.Calls.ToDictionary(service => service.Key, service => service.Value / sagas));
    }
}
