using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Saga;

/// <summary>How far an order has come with something shared, as long as its claim is not known to say the same.</summary>
public enum ReservationMark { Reserved, Released, Settled }

/// <summary>
/// What there is of something that orders compete for: pieces of a product, won of an account, the one use of a coupon.
/// Nothing appears or vanishes between available, held and gone, and each order moves its share exactly once.
/// </summary>
/// <param name="Available">What an order can take. Never negative.</param>
/// <param name="Held">What orders that are not final have taken. Never negative.</param>
/// <param name="Consumed">What confirmed orders have taken: sold, spent, used.</param>
/// <param name="Marks">By order id.</param>
public sealed record Holdings(long Available, long Held, long Consumed, ImmutableSortedDictionary<string, ReservationMark> Marks)
{
    public static Holdings Of(long available) => new(available, 0, 0, ImmutableSortedDictionary<string, ReservationMark>.Empty);

    /// <summary>All there ever was.</summary>
    [JsonIgnore]
    public long Total => Available + Held + Consumed;

    public ReservationMark? MarkFor(string orderId) => Marks.TryGetValue(orderId, out var mark) ? mark : null;

    /// <summary>Available to held. The caller has seen that the order has no mark and that there is enough.</summary>
    public Holdings Reserve(string orderId, long amount) => Validated(this with
    {
        Available = Available - amount,
        Held = Held + amount,
        Marks = Marks.Add(orderId, ReservationMark.Reserved),
    });

    /// <summary>Held back to available.</summary>
    public Holdings Release(string orderId, long amount) => Validated(this with
    {
        Available = Available + amount,
        Held = Held - amount,
        Marks = Marks.SetItem(orderId, ReservationMark.Released),
    });

    /// <summary>Held to gone.</summary>
    public Holdings Settle(string orderId, long amount) => Validated(this with
    {
        Held = Held - amount,
        Consumed = Consumed + amount,
        Marks = Marks.SetItem(orderId, ReservationMark.Settled),
    });

    /// <summary>More, or with a negative amount less, is available.</summary>
    public Holdings Add(long amount) => Validated(this with { Available = checked(Available + amount) });

    /// <summary>Drops the marks whose claims are known to agree with them.</summary>
    public Holdings WithoutMarks(IEnumerable<KeyValuePair<string, ReservationMark>> agreed)
    {
        var marks = Marks;
        foreach (var (orderId, mark) in agreed)
        {
            if (marks.TryGetValue(orderId, out var kept) && kept == mark) marks = marks.Remove(orderId);
        }
        return ReferenceEquals(marks, Marks) ? this : this with { Marks = marks };
    }

    private static Holdings Validated(Holdings next) => next.Available >= 0 && next.Held >= 0 && next.Consumed >= 0
        ? next
        : throw new InvalidOperationException(
            $"A holding would become negative: available {next.Available}, held {next.Held}, gone {next.Consumed}.");
}

/// <summary>A document that orders take from.</summary>
public interface IHasHoldings<TSelf> where TSelf : class, IHasHoldings<TSelf>
{
    Holdings Holdings { get; }

    TSelf With(Holdings holdings);
}
