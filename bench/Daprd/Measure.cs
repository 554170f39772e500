using System.Diagnostics;
using System.Globalization;

namespace Bench;

/// <summary>Every load runs once as warm-up, until the JIT has optimized the code, and then again for the measurement.</summary>
internal static class Measure
{
    private const int Many = 20_000;
    private const int AtOnce = 64;

    /// <summary>
    /// Milliseconds from the publish call until the app has the event, at 100 events per second. <see cref="EventsPerSecondAsync"/> must run
    /// first, as warm-up.
    /// </summary>
    public static async Task<Line[]> DeliveryLatencyAsync(ViaSidecar viaSidecar, RedisOnly redisOnly)
    {
        const int Events = 1000, PerSecond = 100;
        var with = await LatenciesAsync(Events, PerSecond, viaSidecar.PublishAsync, viaSidecar.SubscribeAsync);
        var without = await LatenciesAsync(Events, PerSecond, redisOnly.PublishAsync, redisOnly.SubscribeAsync);
        return
        [
            new("publish to delivery, ms, 100 a second: p50", with[Events / 2], without[Events / 2]),
            new("publish to delivery, ms, 100 a second: p99", with[Events * 99 / 100], without[Events * 99 / 100]),
        ];
    }

    /// <summary>From the first publish to the last delivery.</summary>
    public static async Task<Line> EventsPerSecondAsync(ViaSidecar viaSidecar, RedisOnly redisOnly)
    {
        await EventRateAsync(viaSidecar.PublishAsync, viaSidecar.SubscribeAsync);
        var with = await EventRateAsync(viaSidecar.PublishAsync, viaSidecar.SubscribeAsync);
        await EventRateAsync(redisOnly.PublishAsync, redisOnly.SubscribeAsync);
        return new("events per second, 64 publishers at once", with, await EventRateAsync(redisOnly.PublishAsync, redisOnly.SubscribeAsync));
    }

    public static async Task<Line> PerSecondAsync(string what, Func<int, Task> viaSidecar, Func<int, Task> redisOnly) =>
        new(what, await RateAsync(viaSidecar), await RateAsync(redisOnly));

    /// <summary>CPU time of the sidecars' process for 10,000 calls at 1,000 per second.</summary>
    public static async Task<Line> CpuAsync(string what, Process process, Func<int, Task> work, double? bar)
    {
        const int Count = 10_000, PerSecond = 1000;
        await Load.ConcurrentAsync(Many, AtOnce, work);
        await Load.PacedAsync(Count / 2, PerSecond, work);
        process.Refresh();
        var before = process.TotalProcessorTime;
        await Load.PacedAsync(Count, PerSecond, work);
        process.Refresh();
        return new(what, (process.TotalProcessorTime - before).TotalSeconds * 1000 / Count, Bar: bar);
    }

    /// <summary>Peak resident memory of the process, after all four apps have written, read, published and consumed.</summary>
    public static async Task<Line> MemoryAsync(Process process, ViaSidecar viaSidecar, double bar)
    {
        await Task.WhenAll(Enumerable.Range(0, Sidecars.AppIds.Length).Select(app => Load.ConcurrentAsync(Many, AtOnce / 4, async number =>
        {
            await viaSidecar.WriteAsync(app, number);
            await viaSidecar.PublishAsync(app, Sidecars.AppIds[app], number);
            await viaSidecar.ReadAsync(app, number);
        })));
        var peak = File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        var kilobytes = double.Parse(peak.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
        return new("resident memory, MB, at most, four apps under load", kilobytes / 1024, Bar: bar);
    }

    private static async Task<double[]> LatenciesAsync(
        int count, int perSecond, Func<int, Task> publish, Func<Action<ReadOnlyMemory<byte>>, Task<IAsyncDisposable>> subscribe)
    {
        var (sentAt, latencies, left) = (new long[count], new double[count], count);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (await subscribe(OnEvent))
        {
            await Load.PacedAsync(count, perSecond, number =>
            {
                sentAt[number] = Stopwatch.GetTimestamp();
                return publish(number);
            });
            await all.Task;
        }

        Array.Sort(latencies);
        return latencies;

        void OnEvent(ReadOnlyMemory<byte> data)
        {
            var number = Event.Number(data.Span);
            latencies[number] = Stopwatch.GetElapsedTime(sentAt[number]).TotalMilliseconds;
            if (Interlocked.Decrement(ref left) == 0) all.SetResult();
        }
    }

    private static async Task<double> EventRateAsync(Func<int, Task> publish, Func<Action<ReadOnlyMemory<byte>>, Task<IAsyncDisposable>> subscribe)
    {
        var left = Many;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var subscription = await subscribe(_ =>
        {
            if (Interlocked.Decrement(ref left) == 0) all.SetResult();
        });
        var clock = Stopwatch.StartNew();
        await Load.ConcurrentAsync(Many, AtOnce, publish);
        await all.Task;
        return Many / clock.Elapsed.TotalSeconds;
    }

    private static async Task<double> RateAsync(Func<int, Task> work)
    {
        await Load.ConcurrentAsync(Many, AtOnce, work);
        var clock = Stopwatch.StartNew();
        await Load.ConcurrentAsync(Many * 2, AtOnce, work);
        return Many * 2 / clock.Elapsed.TotalSeconds;
    }
}
