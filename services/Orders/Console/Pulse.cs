using System.Collections.Immutable;

namespace Orders.Console;

/// <summary>What happened in this instance within one second.</summary>
/// <param name="At">Its end, seconds since 1970.</param>
/// <param name="P50">Milliseconds from placing to final, the median of the orders that became final of late. Null: none did.</param>
/// <param name="P99">The same, of which 99 in 100 took less.</param>
/// <param name="Open">Orders that had not come to rest.</param>
/// <param name="OldestOpen">Seconds since the oldest of them was placed. 0 when none was open.</param>
internal sealed record Beat(long At, int Placed, int Confirmed, int Failed, double? P50, double? P99, int Open, double OldestOpen);

/// <summary>Takes the pulse of the shop, second by second.</summary>
internal sealed class Pulse : BackgroundService
{
    /// <summary>So many seconds are remembered, for those who come to look later.</summary>
    private const int BeatsMax = 120;

    /// <summary>The latency is that of at most so many orders that became final within this time.</summary>
    private const int LatenciesMax = 1000;

    private static readonly TimeSpan OfLate = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly Queue<(DateTimeOffset Final, double Milliseconds)> latencies = [];
    private readonly OpenOrderGauge open;
    private readonly TimeProvider clock;
    private int placed, confirmed, failed;
    private ImmutableQueue<Beat> beats = [];

    public Pulse(OrderStore orders, OpenOrderGauge open, TimeProvider clock)
    {
        (this.open, this.clock) = (open, clock);
        orders.Changed += Count;
    }

    /// <summary>The last two minutes, oldest first.</summary>
    public IEnumerable<Beat> Beats => Volatile.Read(ref beats);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var second = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        while (await second.WaitForNextTickAsync(stoppingToken))
        {
            var longer = beats.Enqueue(Take());
            Volatile.Write(ref beats, longer.Count() > BeatsMax ? longer.Dequeue() : longer);
        }
    }

    private void Count(Order? before, Order order)
    {
        if (order.IsNewSince(before)) Interlocked.Increment(ref placed);
        if (!order.IsFinalSince(before)) return;
        Interlocked.Increment(ref order.Status == OrderStatus.Confirmed ? ref confirmed : ref failed);
        lock (gate)
        {
            latencies.Enqueue((order.FinalAt!.Value, (order.FinalAt.Value - order.Placed).TotalMilliseconds));
            if (latencies.Count > LatenciesMax) latencies.Dequeue();
        }
    }

    private Beat Take()
    {
        var now = clock.GetUtcNow();
        double[] sorted;
        lock (gate)
        {
            while (latencies.TryPeek(out var oldest) && now - oldest.Final > OfLate) latencies.Dequeue();
            sorted = [.. latencies.Select(latency => latency.Milliseconds).Order()];
        }
        double? Quantile(double share) => sorted.Length == 0 ? null : sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
        return new(now.ToUnixTimeSeconds(), Interlocked.Exchange(ref placed, 0), Interlocked.Exchange(ref confirmed, 0), Interlocked.Exchange(ref failed, 0),
            Quantile(0.5), Quantile(0.99), open.Count, open.AgeOfOldest.TotalSeconds);
    }
}
