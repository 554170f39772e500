using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Saga.Dapr;

namespace Saga.Reservations;

/// <summary>An order's write intent in a shared document. It is pruned once the order's reservation is known to say the same.</summary>
public enum ReservationMark { Reserved, Released, Settled }

/// <summary>
/// The quantity of something that orders compete for: pieces of a product, won of an account, the one use of a coupon.
/// Available + held + consumed changes only by <see cref="Add"/>, and each order moves its amount exactly once in each direction.
/// </summary>
/// <param name="Available">Free to be reserved. Never negative.</param>
/// <param name="Held">Reserved by orders that are not final. Never negative.</param>
/// <param name="Consumed">Settled by confirmed orders: sold, spent, used. Never negative.</param>
/// <param name="Marks">By order id.</param>
public sealed record Holdings(long Available, long Held, long Consumed, ImmutableSortedDictionary<string, ReservationMark> Marks)
{
    public static Holdings Of(long available) => new(available, 0, 0, ImmutableSortedDictionary<string, ReservationMark>.Empty);

    /// <summary>Everything ever added.</summary>
    [JsonIgnore]
    public long Total => Available + Held + Consumed;

    public ReservationMark? MarkFor(string orderId) => Marks.TryGetValue(orderId, out var mark) ? mark : null;

    /// <summary>Available to held. The caller has checked that the order has no mark and that the amount is available.</summary>
    public Holdings Reserve(string orderId, long amount) => Validated(this with
    {
        Available = unchecked(Available - amount),
        Held = unchecked(Held + amount),
        Marks = Marks.Add(orderId, ReservationMark.Reserved),
    });

    /// <summary>Held back to available.</summary>
    public Holdings Release(string orderId, long amount) => Validated(this with
    {
        Available = unchecked(Available + amount),
        Held = unchecked(Held - amount),
        Marks = Marks.SetItem(orderId, ReservationMark.Released),
    });

    /// <summary>Held to consumed.</summary>
    public Holdings Settle(string orderId, long amount) => Validated(this with
    {
        Held = unchecked(Held - amount),
        Consumed = unchecked(Consumed + amount),
        Marks = Marks.SetItem(orderId, ReservationMark.Settled),
    });

    /// <summary>More is available, or with a negative amount less.</summary>
    public Holdings Add(long amount) => Validated(this with { Available = unchecked(Available + amount) });

    /// <summary>Removes resolved marks. A mark that has changed since stays.</summary>
    public Holdings WithoutMarks(IEnumerable<KeyValuePair<string, ReservationMark>> resolved)
    {
        var marks = Marks;
        foreach (var (orderId, mark) in resolved)
        {
            if (marks.TryGetValue(orderId, out var kept) && kept == mark) marks = marks.Remove(orderId);
        }
        return ReferenceEquals(marks, Marks) ? this : this with { Marks = marks };
    }

    /// <returns>What is wrong, as the rest of a sentence. Null: nothing.</returns>
    internal string? FindProblem() =>
        Available < 0 || Held < 0 || Consumed < 0 ? $"a holding is negative: {Quantities}"
        : (Int128)Available + Held + Consumed > long.MaxValue ? $"its holdings are too large: {Quantities}"
        : null;

    private string Quantities => $"available {Available}, held {Held}, consumed {Consumed}";

    /// <remarks>The operations before it are unchecked: a sum that wraps around is negative.</remarks>
    /// <exception cref="CorruptDocumentException">The holdings do not have what is moved: they contradict the reservation.</exception>
    private static Holdings Validated(Holdings next) =>
        next.FindProblem() is { } problem ? throw new CorruptDocumentException($"The change is refused, after it {problem}.") : next;
}

/// <summary>A shared document that orders reserve from.</summary>
public interface IHasHoldings<TSelf> : IHasInvariants where TSelf : class, IHasHoldings<TSelf>
{
    Holdings Holdings { get; }

    TSelf With(Holdings holdings);

    string? IHasInvariants.FindProblem(string key) => Holdings.FindProblem();
}
