namespace Orders;

/// <summary>
/// A pool of order ids that are tracked in the open-order log already, so that placing an order does not wait for the log. The sweep drops
/// unused ids.
/// </summary>
/// <param name="newId">Returns a unique id.</param>
internal sealed class OrderIdPool(OpenOrderLog openOrders, SagaTimeouts timeouts, TimeProvider clock, Func<Guid> newId)
{
    /// <summary>Ids tracked by one write: the first is returned, the others are pooled.</summary>
    private const int RefillSize = 8;

    private readonly Lock gate = new();
    private readonly Queue<(Guid Id, long Tracked)> pooled = new();
    private readonly HashSet<string> unused = [];

    /// <summary>The sweep visits entries older than ResendAfter; an id is handed out only well before.</summary>
    private TimeSpan FreshFor => timeouts.ResendAfter / 2;

    /// <summary>Returns an id for one order. It is in the open-order log.</summary>
    public async Task<Guid> TakeAsync()
    {
        lock (gate)
        {
            while (pooled.TryDequeue(out var next))
            {
                if (clock.GetElapsedTime(next.Tracked) >= FreshFor) continue; // mutant: stale-id-handed-out
                if (unused.Remove(next.Id.ToString())) return next.Id; // mutant: taken-id-counts-as-unused
            }
        }

        Guid[] ids = [.. Enumerable.Range(0, RefillSize).Select(_ => newId())];
        var before = clock.GetTimestamp();
        await openOrders.AddAsync([.. ids.Select(id => id.ToString())], default);
        lock (gate)
        {
            foreach (var id in ids.Skip(1))
            {
                pooled.Enqueue((id, before));
                unused.Add(id.ToString());
            }
        }
        return ids[0];
    }

    /// <summary>True: the id was never handed out. For an entry that is old enough for the sweep this can no longer change.</summary>
    public bool IsUnused(string orderId)
    {
        lock (gate) return unused.Contains(orderId);
    }

    /// <summary>Removes ids that the log is about to drop.</summary>
    public void Remove(IEnumerable<string> orderIds)
    {
        lock (gate) unused.ExceptWith(orderIds);
    }
}
