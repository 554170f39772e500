using System.Globalization;
using Google.Protobuf.WellKnownTypes;

namespace Orders;

/// <summary>The position of a page in the list of orders.</summary>
/// <param name="OpenAfter">In the open-order log, after this id. Null: at its start, or all of it has been listed.</param>
/// <param name="History">In the history. Null: the log comes first.</param>
internal readonly record struct PageCursor(string? OpenAfter, HistoryCursor? History)
{
    public string ToToken() => (OpenAfter, History) switch
    {
        (_, { } history) => string.Create(CultureInfo.InvariantCulture, $"{history.Hour}.{history.Page}.{history.Seen}"),
        ({ } after, null) => after,
        (null, null) => "",
    };

    /// <summary>False: it is not a page token.</summary>
    public static bool TryParse(string token, out PageCursor cursor)
    {
        cursor = default;
        if (token.Length == 0) return true;
        if (DocumentId.IsOfOrder(token))
        {
            cursor = new(token, null);
            return true;
        }
        long[] numbers =
            [.. token.Split('.').Select(part => long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1)];
        if (numbers is not [var hour and (>= 0 and <= HistoryStart.HourMax), var page and (>= 0 and <= int.MaxValue), var seen and (>= 0 and <= int.MaxValue)]) return false;
        cursor = new(null, new(hour, (int)page, (int)seen));
        return true;
    }
}

/// <summary>Lists orders: those in the open-order log, then the history.</summary>
internal sealed class OrderListing(
    DocumentList list, OpenOrderLog openOrders, OrderHistory history, Orchestrator orchestrator, SagaSteps steps, SagaTimeouts timeouts, TimeProvider clock)
{
    private const int MaxBatchSize = 200;

    /// <summary>Bytes of an answer: gRPC clients refuse more than 4 MiB by default.</summary>
    internal const int MaxResponseSize = 3 * 1024 * 1024;

    /// <summary>Lists open orders, oldest first.</summary>
    public async Task<Shop.V1.ListOpenOrdersResponse> ListOpenAsync(int size, CancellationToken ct)
    {
        var (logged, unreadable) = await ReadAsync([.. (await openOrders.ReadAllAsync(ct)).Select(entry => entry.OrderId).Distinct()], ct);
        var open = logged.Where(order => !order.IsClosed).ToArray();
        var now = clock.GetUtcNow();
        return new()
        {
            Orders = { open.OrderBy(order => order.Placed).Take(size).Select(order => ToOpen(order, now)) },
            More = Math.Max(0, open.Length - size),
            UnreadableOrderIds = { unreadable },
        };
    }

    /// <summary>Lists all orders, latest first: at most <paramref name="size"/> of them, and at most <see cref="MaxResponseSize"/> bytes.</summary>
    /// <param name="statuses">Empty: all.</param>
    /// <param name="caller">Orders that it may not see are left out.</param>
    public async Task<Shop.V1.ListOrdersResponse> ListAsync(
        PageCursor cursor, int size, IReadOnlyList<Shop.V1.OrderStatus> statuses, Caller caller, CancellationToken ct)
    {
        while (true)
        {
            var page = await ReadPageAsync(cursor, size, statuses, caller, ct);
            if (size == 1 || page.CalculateSize() <= MaxResponseSize) return page;
            size /= 2;
        }
    }

    private async Task<Shop.V1.ListOrdersResponse> ReadPageAsync(
        PageCursor cursor, int size, IReadOnlyList<Shop.V1.OrderStatus> statuses, Caller caller, CancellationToken ct)
    {
        var (ids, next) = cursor.History is null ? await ReadLogAsync(cursor.OpenAfter, size, ct) : await ReadHistoryAsync(cursor.History, size, ct);
        var (read, unreadable) = await ReadAsync(ids, ct);
        var orders = read.Where(order =>
            caller.MaySee(order.UserId) && (statuses.Count == 0 || statuses.Contains(OrderMapping.From(order.Status))));
        return new()
        {
            Orders = { orders.Select(OrderMapping.WithoutRecipient) },
            // Whose it is cannot be read either.
            UnreadableOrderIds = { caller.IsOperator ? unreadable : [] },
            NextPageToken = next?.ToToken() ?? "",
            CompleteSince = await history.GetCompleteSinceAsync(ct) is { } since ? Timestamp.FromDateTimeOffset(since) : null,
        };
    }

    private async Task<(IReadOnlyList<string> Ids, PageCursor? Next)> ReadLogAsync(string? after, int size, CancellationToken ct)
    {
        // A generated id sorts by time. One derived from an idempotency key does not, and is somewhere in between.
        var ids = (await openOrders.ReadAllAsync(ct)).Select(entry => entry.OrderId).Distinct().OrderDescending(StringComparer.Ordinal)
            .Where(id => DocumentId.IsOfOrder(id) && (after is null || string.CompareOrdinal(id, after) < 0)).Take(size).ToArray();
        if (ids.Length == size) return (ids, new(ids[^1], null));
        var (older, next) = await ReadHistoryAsync(null, size - ids.Length, ct);
        return ([.. ids, .. older.Except(ids)], next);
    }

    private async Task<(IReadOnlyList<string> Ids, PageCursor? Next)> ReadHistoryAsync(HistoryCursor? from, int size, CancellationToken ct)
    {
        var (ids, next) = await history.ReadAsync(from, size, ct);
        return (ids, next is null ? null : new(null, next));
    }

    private async Task<(IReadOnlyList<Order> Orders, IReadOnlyList<string> UnreadableIds)> ReadAsync(IReadOnlyList<string> ids, CancellationToken ct)
    {
        List<Order> orders = [];
        List<string> unreadable = [];
        foreach (var batch in ids.Where(DocumentId.IsOfOrder).Chunk(MaxBatchSize))
        {
            var (documents, corrupt) = await list.ReadAsync<Order>(batch, Order.KeyOf, ct);
            orders.AddRange(documents.Where(order => order.Status != OrderStatus.Abandoned));
            unreadable.AddRange(corrupt);
        }
        return (orders, unreadable);
    }

    private Shop.V1.OpenOrder ToOpen(Order order, DateTimeOffset now)
    {
        var explanation = Explanation.Of(order, steps, timeouts, now, orchestrator.GetProblem);
        return new()
        {
            OrderId = order.Id,
            OrderNumber = OrderNumber.FromId(Guid.Parse(order.Id)),
            Status = OrderMapping.From(order.Status),
            PlacedTime = Timestamp.FromDateTimeOffset(order.Placed),
            Age = Duration.FromTimeSpan(now - order.Placed),
            WaitsFor = { explanation.WaitsFor },
            Next = explanation.Next,
            Compensation = Explanation.GetCompensation(order),
        };
    }
}
