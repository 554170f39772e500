using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>Where a list of orders goes on.</summary>
/// <param name="OpenAfter">Among those in the open log, after this id. Null: at their start, or they have been listed.</param>
/// <param name="Past">Among those that are not. Null: those in the log come first.</param>
internal readonly record struct PageCursor(string? OpenAfter, PastPlace? Past)
{
    public string ToToken() => (OpenAfter, Past) switch
    {
        (_, { } past) => string.Create(CultureInfo.InvariantCulture, $"{past.Hour}.{past.Page}.{past.Seen}"),
        ({ } after, null) => after,
        (null, null) => "",
    };

    /// <summary>False: it is no token.</summary>
    public static bool TryParse(string token, out PageCursor place)
    {
        place = default;
        if (token.Length == 0) return true;
        if (Guid.TryParseExact(token, "D", out _))
        {
            place = new(token, null);
            return true;
        }
        long[] numbers = [.. token.Split('.').Select(part => long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1)];
        if (numbers is not [var hour and >= 0, var page and (>= 0 and <= int.MaxValue), var seen and (>= 0 and <= int.MaxValue)]) return false;
        place = new(null, new(hour, (int)page, (int)seen));
        return true;
    }
}

/// <summary>Lists orders: those in the open log, and those that have left it.</summary>
internal sealed class OrderListing(ISidecar sidecar, OpenOrderLog openOrders, OrderHistory past, SagaTimeouts timeouts, TimeProvider clock)
{
    private const int ReadTogether = 200;

    /// <summary>Those that have not come to rest, oldest first.</summary>
    public async Task<Wire.ListOpenOrdersResponse> OpenAsync(int size, CancellationToken ct)
    {
        var logged = await ReadAsync([.. (await openOrders.ReadAllAsync(ct)).Select(entry => entry.OrderId).Distinct()], ct);
        var open = logged.Where(order => !order.IsClosed).ToArray();
        var now = clock.GetUtcNow();
        return new()
        {
            Orders = { open.OrderBy(order => order.Placed).Take(size).Select(order => ToOpen(order, now)) },
            More = Math.Max(0, open.Length - size),
        };
    }

    /// <param name="statuses">Empty: all.</param>
    public async Task<Wire.ListOrdersResponse> AllAsync(PageCursor place, int size, IReadOnlyList<Wire.OrderStatus> statuses, CancellationToken ct)
    {
        var (ids, next) = place.Past is null ? await LoggedAsync(place.OpenAfter, size, ct) : await PastAsync(place.Past, size, ct);
        var orders = (await ReadAsync(ids, ct)).Where(order => statuses.Count == 0 || statuses.Contains(OrderMapping.From(order.Status)));
        return new()
        {
            Orders = { orders.Select(OrderMapping.WithoutRecipient) },
            NextPageToken = next?.ToToken() ?? "",
            CompleteSince = await past.CompleteSinceAsync(ct) is { } since ? Timestamp.FromDateTimeOffset(since) : null,
        };
    }

    private async Task<(IReadOnlyList<string> Ids, PageCursor? Next)> LoggedAsync(string? after, int size, CancellationToken ct)
    {
        // An order id made here begins with its time. One that was derived from a key does not, and is somewhere in between.
        var ids = (await openOrders.ReadAllAsync(ct)).Select(entry => entry.OrderId).Distinct().OrderDescending(StringComparer.Ordinal)
            .Where(id => after is null || string.CompareOrdinal(id, after) < 0).Take(size).ToArray();
        if (ids.Length == size) return (ids, new(ids[^1], null));
        var (older, next) = await PastAsync(null, size - ids.Length, ct);
        return ([.. ids, .. older.Except(ids)], next);
    }

    private async Task<(IReadOnlyList<string> Ids, PageCursor? Next)> PastAsync(PastPlace? from, int size, CancellationToken ct)
    {
        var (ids, next) = await past.ReadAsync(from, size, ct);
        return (ids, next is null ? null : new(null, next));
    }

    private async Task<IReadOnlyList<Order>> ReadAsync(IReadOnlyList<string> ids, CancellationToken ct)
    {
        List<Order> orders = [];
        foreach (var part in ids.Chunk(ReadTogether))
        {
            var read = await sidecar.ReadManyAsync<Order>([.. part.Select(Order.KeyOf)], ct);
            orders.AddRange(read.Select(order => order.Value).OfType<Order>().Where(order => order.Status != OrderStatus.Abandoned));
        }
        return orders;
    }

    private Wire.OpenOrder ToOpen(Order order, DateTimeOffset now)
    {
        var explanation = Explanation.Of(order, timeouts, now);
        return new()
        {
            OrderId = order.Id,
            OrderNumber = OrderNumber.Of(Guid.Parse(order.Id)),
            Status = OrderMapping.From(order.Status),
            PlacedTime = Timestamp.FromDateTimeOffset(order.Placed),
            Age = Duration.FromTimeSpan(now - order.Placed),
            WaitsFor = { explanation.WaitsFor },
            Next = explanation.Next,
            Compensation = Explanation.CompensationOf(order),
        };
    }
}
