namespace Orders;

/// <summary>
/// Counts the open orders of this instance, and admits new ones up to the limits: those it is placing, those it placed, and those its sweep found.
/// </summary>
/// <remarks>An order that is closed by another instance leaves once the observer or the sweep has seen it.</remarks>
internal sealed class OpenOrderLimiter
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, (string UserId, DateTimeOffset Placed)> open = [];
    private readonly Dictionary<string, int> countByUser = [];
    private readonly TimeProvider clock;
    private int count;

    public OpenOrderLimiter(OrderStore orders, OrderSweep sweep, TimeProvider clock)
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
        // It may have been closed since the sweep has read it, or another instance visits it now.
        sweep.Left += Remove;
    }

    public int Count => Volatile.Read(ref count);

    /// <summary>Time since the oldest open order was placed. Zero: none is open.</summary>
    public TimeSpan AgeOfOldest
    {
        get
        {
            var now = clock.GetUtcNow();
            lock (gate) return open.Values.Select(order => now - order.Placed).DefaultIfEmpty(TimeSpan.Zero).Max();
        }
    }

    public int GetCount(string userId)
    {
        lock (gate) return countByUser.GetValueOrDefault(userId);
    }

    /// <summary>Counts an order that is about to be placed, so that requests at the same time do not exceed a limit together.</summary>
    /// <param name="max">Orders of all users, at most.</param>
    /// <param name="userMax">Orders of the user, at most.</param>
    /// <returns>Dispose it when the order is stored, and so counted by itself, or is not placed. Null: a limit is reached.</returns>
    public IDisposable? TryEnter(string userId, int max, int userMax)
    {
        lock (gate)
        {
            if (count >= max || countByUser.GetValueOrDefault(userId) >= userMax) return null;
            ChangeCount(userId, 1);
            return new Entry(this, userId);
        }
    }

    /// <summary>The ids of orders that were placed longer ago than this.</summary>
    public IReadOnlyList<string> GetOlderThan(TimeSpan age)
    {
        var before = clock.GetUtcNow() - age;
        lock (gate) return [.. open.Where(order => order.Value.Placed < before).Select(order => order.Key)];
    }

    private void Add(Order order)
    {
        lock (gate)
        {
            if (open.TryAdd(order.Id, (order.UserId, order.Placed))) ChangeCount(order.UserId, 1);
        }
    }

    /// <summary>The order is closed, or another instance visits it.</summary>
    public void Remove(string orderId)
    {
        lock (gate)
        {
            if (open.Remove(orderId, out var order)) ChangeCount(order.UserId, -1);
        }
    }

    private void ChangeCount(string userId, int change)
    {
        count += change;
        // A user without open orders is not remembered.
        if (countByUser.GetValueOrDefault(userId) + change is var own and > 0) countByUser[userId] = own;
        else countByUser.Remove(userId);
    }

    private sealed class Entry(OpenOrderLimiter limiter, string userId) : IDisposable
    {
        public void Dispose()
        {
            lock (limiter.gate) limiter.ChangeCount(userId, -1);
        }
    }
}
