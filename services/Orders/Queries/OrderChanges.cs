using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;

namespace Orders;

/// <summary>Streams what all instances do with all orders.</summary>
internal sealed class OrderChanges(OrderObserver orders, TimeProvider clock)
{
    private const int MaxOrders = 100, MaxLatencies = 1000;

    private static readonly TimeSpan MinInterval = TimeSpan.FromMilliseconds(150), MaxInterval = TimeSpan.FromSeconds(1);

    /// <summary>Streams batches of changes from now on until it is cancelled.</summary>
    public async IAsyncEnumerable<Shop.V1.WatchOrdersResponse> WatchAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var batch = new Batch();
        using var watch = await orders.WatchAsync(batch.Add, ct);
        using var timer = new PeriodicTimer(MinInterval, clock);
        long? sent = null;
        do
        {
            if (batch.IsEmpty && sent is { } last && clock.GetElapsedTime(last) < MaxInterval) continue;
            sent = clock.GetTimestamp();
            var taken = batch.Take();
            var (open, oldestAge) = orders.Open;
            (taken.Open, taken.OldestOpenAge) = (open, Duration.FromTimeSpan(oldestAge));
            yield return taken;
        }
        while (await timer.WaitForNextTickAsync(ct));
    }

    private sealed class Batch
    {
        private readonly Lock gate = new();
        private readonly Dictionary<string, Order> changed = [];
        private Shop.V1.WatchOrdersResponse counted = new();

        public bool IsEmpty
        {
            get
            {
                lock (gate) return changed.Count == 0;
            }
        }

        public void Add(Order? before, Order order)
        {
            lock (gate)
            {
                if (order.IsNewSince(before)) counted.Placed++;
                if (order.IsFinalSince(before))
                {
                    if (order.Status == OrderStatus.Confirmed) counted.Confirmed++;
                    else counted.Failed++;
                    if (counted.Latencies.Count < MaxLatencies) counted.Latencies.Add(Duration.FromTimeSpan(order.FinalAt!.Value - order.Placed));
                }
                if (changed.ContainsKey(order.Id) || changed.Count < MaxOrders) changed[order.Id] = order;
            }
        }

        public Shop.V1.WatchOrdersResponse Take()
        {
            lock (gate)
            {
                var taken = counted;
                taken.Orders.AddRange(changed.Values.Select(OrderMapping.WithoutRecipient));
                counted = new();
                changed.Clear();
                return taken;
            }
        }
    }
}
