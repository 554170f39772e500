using System.Collections.Concurrent;

namespace Orders;

/// <summary>The open orders of this instance: those it placed, and those its sweep found.</summary>
/// <remarks>An order that is closed by another instance leaves once the sweep has seen it.</remarks>
internal sealed class OpenOrderGauge
{
    private readonly ConcurrentDictionary<string, DateTimeOffset> placedById = new();
    private readonly TimeProvider clock;

    public OpenOrderGauge(OrderStore orders, OrderSweep sweep, TimeProvider clock)
    {
        this.clock = clock;
        orders.Changed += (before, order) =>
        {
            if (order.IsClosed) placedById.TryRemove(order.Id, out _);
            else if (order.IsNewSince(before)) placedById[order.Id] = order.Placed;
        };
        sweep.Visited += order =>
        {
            if (order.IsClosed) placedById.TryRemove(order.Id, out _);
            else placedById[order.Id] = order.Placed;
        };
    }

    public int Count => placedById.Count;

    /// <summary>Time since the oldest open order was placed. Zero: none is open.</summary>
    public TimeSpan AgeOfOldest
    {
        get
        {
            var now = clock.GetUtcNow();
            return placedById.Values.Select(placed => now - placed).DefaultIfEmpty(TimeSpan.Zero).Max();
        }
    }
}
