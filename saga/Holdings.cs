using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Saga;

/// <summary>How far an order has come with something shared, as long as its claim is not known to say the same.</summary>
public enum Mark { Held, Returned, Settled }

/// <summary>
/// What there is of something that orders compete for: pieces of a product, won of an account, the one use of a coupon.
/// Nothing appears or vanishes between available, held and gone, and each order moves its share exactly once.
/// </summary>
/// <param name="Available">What an order can take. Never negative.</param>
/// <param name="Held">What orders that are not final have taken. Never negative.</param>
/// <param name="Gone">What confirmed orders have taken: sold, spent, used.</param>
/// <param name="Marks">By order id.</param>
public sealed record Holdings(long Available, long Held, long Gone, ImmutableSortedDictionary<string, Mark> Marks)
{
    public static Holdings Of(long available) => new(available, 0, 0, ImmutableSortedDictionary<string, Mark>.Empty);

    /// <summary>All there ever was.</summary>
    [JsonIgnore]
    public long Total => Available + Held + Gone;

    public Mark? MarkOf(string orderId) => Marks.TryGetValue(orderId, out var mark) ? mark : null;

    /// <summary>Available to held. The caller has seen that the order has no mark and that there is enough.</summary>
    public Holdings Take(string orderId, long amount) => Sound(this with
    {
        Available = Available - amount,
        Held = Held + amount,
        Marks = Marks.Add(orderId, Mark.Held),
    });

    /// <summary>Held back to available.</summary>
    public Holdings GiveBack(string orderId, long amount) => Sound(this with
    {
        Available = Available + amount,
        Held = Held - amount,
        Marks = Marks.SetItem(orderId, Mark.Returned),
    });

    /// <summary>Held to gone.</summary>
    public Holdings Settle(string orderId, long amount) => Sound(this with
    {
        Held = Held - amount,
        Gone = Gone + amount,
        Marks = Marks.SetItem(orderId, Mark.Settled),
    });

    /// <summary>More, or with a negative amount less, is available.</summary>
    public Holdings Add(long amount) => Sound(this with { Available = checked(Available + amount) });

    /// <summary>Drops the marks whose claims are known to agree with them.</summary>
    public Holdings Without(IEnumerable<KeyValuePair<string, Mark>> agreed)
    {
        var marks = Marks;
        foreach (var (orderId, mark) in agreed)
        {
            if (marks.TryGetValue(orderId, out var kept) && kept == mark) marks = marks.Remove(orderId);
        }
        return ReferenceEquals(marks, Marks) ? this : this with { Marks = marks };
    }

    private static Holdings Sound(Holdings next) => next.Available >= 0 && next.Held >= 0 && next.Gone >= 0
        ? next
        : throw new InvalidOperationException(
            $"A holding would become negative: available {next.Available}, held {next.Held}, gone {next.Gone}.");
}

/// <summary>A document that orders take from.</summary>
public interface IShared<TSelf> where TSelf : class, IShared<TSelf>
{
    Holdings Holdings { get; }

    TSelf With(Holdings holdings);
}
