namespace Orders;

/// <summary>
/// Finds what other instances do with orders: with those that are open here, and with all while there is a watcher. What this process does is seen at once.
/// </summary>
/// <remarks>
/// It reads the store. Every order is in a log of open orders before it exists, and stays there for seconds after it is closed, so that none is missed.
/// </remarks>
internal sealed class OrderObserver : BackgroundService
{
    /// <summary>A change by another instance is seen after it.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    /// <summary>A watch begins without knowing what there is when the store takes longer.</summary>
    private static readonly TimeSpan BeginTimeout = TimeSpan.FromSeconds(2);

    private const int MaxBatchSize = 200;

    private readonly OpenOrderLimiter open;
    private readonly OpenOrderLog openOrders;
    private readonly ISidecar sidecar;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly FaultLog outages;

    private readonly SemaphoreSlim polling = new(1, 1);
    private readonly Lock gate = new();
    private int watchers;

    /// <summary>As they were seen last, all that are open and some that are closed. Null: there is no watcher.</summary>
    private Dictionary<string, Order>? seen;

    /// <summary>True: the logs have been read since the first watcher came. Before that, an order that is found is new only if it was placed since.</summary>
    private bool isComplete;

    /// <summary>When the first watcher came.</summary>
    private DateTimeOffset begun;

    public OrderObserver(
        OrderStore orders, OpenOrderLimiter open, OpenOrderLog openOrders, ISidecar sidecar, TimeProvider clock, ILoggerFactory logs)
    {
        (this.open, this.openOrders, this.sidecar, this.clock, log) = (open, openOrders, sidecar, clock, logs.CreateLogger("Orders"));
        outages = new("Polls of the orders of other instances", clock, log, overWhenQuiet: false);
        orders.Changed += OnChange;
    }

    /// <summary>An instance has changed an order, from the first (null: it did not exist, or was not seen) to the second. Raised while there is a watch.</summary>
    /// <remarks>Handlers must not block or throw.</remarks>
    private event Action<Order?, Order>? Changed;

    /// <summary>Orders that are not closed, and the time since the oldest of them was placed; of all instances while there is a watch.</summary>
    public (int Count, TimeSpan OldestAge) Open
    {
        get
        {
            lock (gate)
            {
                if (!isComplete) return (open.Count, open.AgeOfOldest);
                var now = clock.GetUtcNow();
                TimeSpan[] ages = [.. seen!.Values.Where(order => !order.IsClosed).Select(order => now - order.Placed)];
                return (ages.Length, ages.DefaultIfEmpty().Max());
            }
        }
    }

    /// <summary>Watches the changes of all orders from now on. Dispose the watch after use.</summary>
    public async Task<IDisposable> WatchAsync(Action<Order?, Order> changed, CancellationToken ct)
    {
        bool isFirst;
        lock (gate)
        {
            watchers++;
            if (seen is null) (seen, begun) = ([], clock.GetUtcNow());
            Changed += changed;
            isFirst = !isComplete;
        }
        var watch = new Watch(this, changed);
        try
        {
            if (isFirst) await PollAsync(ct).WaitAsync(BeginTimeout, clock, ct);
        }
        catch (Exception) when (!ct.IsCancellationRequested)
        {
            // The next look reports it.
        }
        catch
        {
            watch.Dispose();
            throw;
        }
        return watch;
    }

    public override void Dispose()
    {
        outages.Dispose();
        polling.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var untraced = SagaTracing.Suppress();
        using var timer = new PeriodicTimer(Period, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await PollAsync(stoppingToken);
                outages.Over();
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                var problem = Faults.GetCause(fault);
                if (outages.Begins(fault.GetType().Name, problem)) OrderLog.OthersNotSeen(log, problem);
            }
        }
    }

    /// <summary>Reads what other instances may have changed.</summary>
    internal async Task PollAsync(CancellationToken ct)
    {
        await polling.WaitAsync(ct);
        try
        {
            var closedBefore = GetClosed();
            HashSet<string> tracked = closedBefore is null ? []
                : [.. (await openOrders.ReadAllAsync(ct)).Select(entry => entry.OrderId).Where(DocumentId.IsOfOrder)];
            foreach (var batch in GetDue(tracked).Chunk(MaxBatchSize))
            {
                foreach (var read in await sidecar.ReadEachAsync<Order>([.. batch.Select(Order.KeyOf)], ct))
                {
                    if (await TryGetAsync(read) is { Status: not OrderStatus.Abandoned } order) OnRead(order);
                }
            }
            lock (gate)
            {
                if (seen is null || closedBefore is null) return;
                isComplete = true;
                foreach (var id in closedBefore.Where(id => !tracked.Contains(id))) seen.Remove(id);
            }
        }
        finally
        {
            polling.Release();
        }
    }

    /// <returns>The ids of closed orders that were seen. Null: there is no watcher.</returns>
    private string[]? GetClosed()
    {
        lock (gate) return seen is null ? null : [.. seen.Values.Where(order => order.IsClosed).Select(order => order.Id)];
    }

    /// <returns>The ids of orders that another instance may have changed since the last look.</returns>
    private string[] GetDue(HashSet<string> tracked)
    {
        var due = open.GetOlderThan(Period).ToHashSet();
        lock (gate)
        {
            if (seen is null) return [.. due];
            due.UnionWith(tracked.Where(id => seen.GetValueOrDefault(id) is not { IsClosed: true }));
            // Closed since it was read last, and no longer in a log.
            due.UnionWith(seen.Values.Where(order => !order.IsClosed).Select(order => order.Id));
        }
        return [.. due];
    }

    /// <returns>Null: there is no such order, or it is corrupt, which the sweep reports.</returns>
    private static async Task<Order?> TryGetAsync(Task<Versioned<Order>> read)
    {
        try
        {
            return (await read).Value;
        }
        catch (Exception fault) when (!Faults.IsTransient(fault))
        {
            return null;
        }
    }

    private void OnRead(Order order)
    {
        if (order.IsClosed) open.Remove(order.Id);
        var isNew = true;
        lock (gate)
        {
            if (!isComplete && order.Placed < begun && seen?.TryAdd(order.Id, order) == true) isNew = false;
        }
        if (isNew) OnChange(null, order);
    }

    /// <param name="before">Null: it was not seen before.</param>
    private void OnChange(Order? before, Order order)
    {
        if (order.Status == OrderStatus.Abandoned) return;
        lock (gate)
        {
            if (seen is null) return;
            // An order that another instance has placed since the watch began may be seen first by an answer to it that this one records.
            var isNews = order.Placed >= begun && before is not { IsClosed: true };
            before = seen.GetValueOrDefault(order.Id) ?? (isNews ? null : before);
            // Seen already, or a later change was.
            if (before?.Timeline.Length >= order.Timeline.Length) return;
            seen[order.Id] = order;
            Changed?.Invoke(before, order);
        }
    }

    private void End(Action<Order?, Order> changed)
    {
        lock (gate)
        {
            Changed -= changed;
            if (--watchers > 0) return;
            (seen, isComplete) = (null, false);
        }
    }

    private sealed class Watch(OrderObserver observer, Action<Order?, Order> changed) : IDisposable
    {
        private bool isOver;

        public void Dispose()
        {
            if (isOver) return;
            isOver = true;
            observer.End(changed);
        }
    }
}
