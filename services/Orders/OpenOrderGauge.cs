using System.Collections.Concurrent;

namespace Orders;

/// <summary>The open orders of this instance: those it placed, and those its sweep found.</summary>
/// <remarks>An order that is closed by another instance leaves once the observer or the sweep has seen it.</remarks>
internal sealed class OpenOrderGauge
{
    private readonly ConcurrentDictionary<string, (string UserId, DateTimeOffset Placed)> open = new();
    private readonly ConcurrentDictionary<string, int> countByUser = new();
    private readonly TimeProvider clock;
    // ConcurrentDictionary.Count takes all of its locks.
    private int count;

    public OpenOrderGauge(OrderStore orders, OrderSweep sweep, TimeProvider clock)
    {
        this.clock = clock;
        orders.Changed += (before, order) =>
        {
            if (order.IsClosed) Remove(order.Id);
            else if (order.IsNewSince(before)) Add(order);
        };
        sweep.Visited += order =>
        {
            if (order.IsClosed) Remove(order.Id);
            else Add(order);
        };
        // The order that a sweep has read may have been closed since.
        sweep.Closed += Remove;
    }

    public int Count => Volatile.Read(ref count);

    /// <summary>Time since the oldest open order was placed. Zero: none is open.</summary>
    public TimeSpan AgeOfOldest
    {
        get
        {
            var now = clock.GetUtcNow();
            return open.Values.Select(order => now - order.Placed).DefaultIfEmpty(TimeSpan.Zero).Max();
        }
    }

    /// <summary>The ids of orders that were placed longer ago than this.</summary>
    public IEnumerable<string> GetOlderThan(TimeSpan age)
    {
        var before = clock.GetUtcNow() - age;
        return open.Where(order => order.Value.Placed < before).Select(order => order.Key);
    }

    public int GetCount(string userId) => countByUser.GetValueOrDefault(userId);

    private void Add(Order order)
    {
        if (!open.TryAdd(order.Id, (order.UserId, order.Placed))) return;
        Interlocked.Increment(ref count);
        countByUser.AddOrUpdate(order.UserId, 1, (_, own) => own + 1);
    }

    /// <summary>The order is closed.</summary>
    public void Remove(string orderId)
    {
        if (!open.TryRemove(orderId, out var order)) return;
        Interlocked.Decrement(ref count);
        // A user without open orders is not remembered.
        if (countByUser.AddOrUpdate(order.UserId, 0, (_, own) => own - 1) <= 0) countByUser.TryRemove(new(order.UserId, 0));
    }
}
