using System.Collections.Immutable;
using Order = Orders.Order;

namespace Saga.Tests;

/// <summary>Documents and entries of an open-order log that no instance writes, but that anything with access to the store can.</summary>
internal static class Corruption
{
    /// <summary>A head or segment that is refused when it is read. Null: it is neither.</summary>
    public static object? Of(object document, Random chance) => document switch
    {
        OpenHead head => chance.Next(2) == 0 ? head with { First = -1 } : head with { Next = head.First + 1_000_000_000_000_000_000 },
        OpenSegment segment => segment with { Details = [.. Enumerable.Repeat(default(System.Text.Json.JsonElement), segment.Orders.Length + 1)] },
        _ => null,
    };

    /// <summary>Entries of which each is refused when it is visited.</summary>
    /// <param name="known">An order that exists.</param>
    /// <param name="other">Another one.</param>
    /// <param name="linesOf">What an order reserves from the service. Null: the service is Orders, whose entries have no detail.</param>
    public static IReadOnlyList<OpenEntry> Entries(Order known, Order other, Func<Order, ImmutableArray<ReservationLine>>? linesOf, DateTimeOffset now)
    {
        var capitals = known.Id.ToUpperInvariant();
        if (linesOf is null) return [new("", now), new("evil||1", now), new("order-7", now), new(capitals, now)];
        return
        [
            Entry("evil||1", "evil||1", linesOf(known)),
            Entry(capitals, capitals, linesOf(known)),
            Entry(known.Id, other.Id, linesOf(other)),
            Entry(known.Id, known.Id, [.. linesOf(known).Select(line => line with { Amount = -line.Amount - 1 })]),
            Entry(known.Id, known.Id, [.. linesOf(known), .. linesOf(known)]),
        ];

        OpenEntry Entry(string orderId, string detailOf, ImmutableArray<ReservationLine> lines) =>
            new(orderId, now, new OpenReservation(detailOf, lines, now).ToDetail());
    }
}
