using Saga;

namespace Orders;

/// <summary>Ids for orders to come that are in the open log already: whoever takes one need not wait for the log. What nobody takes the sweep drops.</summary>
/// <param name="newId">An id that no order ever had.</param>
internal sealed class OrderIdPool(OpenOrderLog openOrders, SagaTimeouts timeouts, TimeProvider clock, Func<Guid> newId)
{
    /// <summary>So many are noted at once, the first for whoever asks.</summary>
    private const int MaxConcurrency = 8;

    private readonly Lock gate = new();
    private readonly Queue<(Guid Id, long Noted)> spare = new();
    private readonly HashSet<string> unused = [];

    /// <summary>The sweep looks at what has been in the log for the quiet time. By then nobody gets it any more.</summary>
    private TimeSpan FreshFor => timeouts.ResendAfter / 2;

    /// <summary>An id for one order. When this returns, it is in the open log.</summary>
    public async Task<Guid> TakeAsync()
    {
        lock (gate)
        {
            while (spare.TryDequeue(out var next))
            {
                if (clock.GetElapsedTime(next.Noted) < FreshFor && unused.Remove(next.Id.ToString())) return next.Id;
            }
        }

        Guid[] ids = [.. Enumerable.Range(0, MaxConcurrency).Select(_ => newId())];
        var before = clock.GetTimestamp();
        await openOrders.AddAsync([.. ids.Select(id => id.ToString())], default);
        lock (gate)
        {
            foreach (var id in ids.Skip(1))
            {
                spare.Enqueue((id, before));
                unused.Add(id.ToString());
            }
        }
        return ids[0];
    }

    /// <summary>This process has noted it and given it to nobody. Asked of what has been in the log for the quiet time, it stays so.</summary>
    public bool IsUnused(string orderId)
    {
        lock (gate) return unused.Contains(orderId);
    }

    /// <summary>The log is about to forget them.</summary>
    public void Forget(IEnumerable<string> orderIds)
    {
        lock (gate) unused.ExceptWith(orderIds);
    }
}
