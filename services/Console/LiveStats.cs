using System.Collections.Immutable;
using Shop.V1;

namespace ShopConsole;

/// <summary>What Orders did within one second; what another instance than the followed one did is counted when it is seen.</summary>
/// <param name="At">The end of the second, in seconds since 1970.</param>
/// <param name="P50">Median time from placing to CONFIRMED or FAILED, in milliseconds, over the last 10 s. Null: no order became final.</param>
/// <param name="P99">The 99th percentile of the same.</param>
/// <param name="Open">Orders that were not closed.</param>
/// <param name="OldestOpen">Seconds since the oldest of them was placed. 0: none was open.</param>
internal sealed record StatsSample(long At, int Placed, int Confirmed, int Failed, double? P50, double? P99, int Open, double OldestOpen);

/// <summary>Computes one <see cref="StatsSample"/> per second from the feed. There is none for a second in which Orders did not answer.</summary>
internal sealed class LiveStats : BackgroundService
{
    private const int MaxSamples = 120, MaxLatencies = 1000;

    private static readonly TimeSpan LatencyWindow = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly Queue<(DateTimeOffset ReceivedAt, double Milliseconds)> latencies = [];
    private readonly OrderFeed feed;
    private readonly TimeProvider clock;
    private int placed, confirmed, failed, open;
    private double oldestOpen;
    private long lastAt;
    private ImmutableQueue<StatsSample> samples = [];

    public LiveStats(OrderFeed feed, TimeProvider clock)
    {
        (this.feed, this.clock) = (feed, clock);
        feed.Received += Add;
    }

    /// <summary>The samples of the last two minutes, oldest first.</summary>
    public IEnumerable<StatsSample> Samples => Volatile.Read(ref samples);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var second = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        while (await second.WaitForNextTickAsync(stoppingToken))
        {
            if (!feed.IsLive) continue;
            var longer = samples.Enqueue(Take());
            Volatile.Write(ref samples, longer.Count() > MaxSamples ? longer.Dequeue() : longer);
        }
    }

    internal void Add(WatchOrdersResponse batch)
    {
        var now = clock.GetUtcNow();
        lock (gate)
        {
            placed += batch.Placed;
            confirmed += batch.Confirmed;
            failed += batch.Failed;
            (open, oldestOpen) = (batch.Open, batch.OldestOpenAge.ToTimeSpan().TotalSeconds);
            foreach (var latency in batch.Latencies) latencies.Enqueue((now, latency.ToTimeSpan().TotalMilliseconds));
            while (latencies.Count > MaxLatencies) latencies.Dequeue();
        }
    }

    /// <summary>The sample of what was added since the last call.</summary>
    internal StatsSample Take()
    {
        var now = clock.GetUtcNow();
        lock (gate)
        {
            while (latencies.TryPeek(out var oldest) && now - oldest.ReceivedAt > LatencyWindow) latencies.Dequeue();
            double[] sorted = [.. latencies.Select(latency => latency.Milliseconds).Order()];
            double? Quantile(double share) => sorted.Length == 0 ? null : sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
            // A second of its own for each sample, whatever the timer and the clock do: the charts drop what is not later.
            lastAt = Math.Max(now.ToUnixTimeSeconds(), lastAt + 1);
            var sample = new StatsSample(lastAt, placed, confirmed, failed, Quantile(0.5), Quantile(0.99), open, oldestOpen);
            (placed, confirmed, failed) = (0, 0, 0);
            return sample;
        }
    }
}
