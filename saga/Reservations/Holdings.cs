using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Saga.Commands;
using Saga.Dapr;

namespace Saga.Reservations;

/// <summary>
/// The quantity of something that orders compete for: pieces of a product, won of an account, the one use of a coupon.
/// Available + held + consumed changes only by <see cref="Add"/>, and each order moves its amount at most once in each direction.
/// </summary>
/// <param name="Available">Free to be reserved. Never negative.</param>
/// <param name="Held">Reserved by orders that are not final: the sum of the marks Reserved.</param>
/// <param name="Consumed">Settled by confirmed orders: sold, spent, used. Never negative.</param>
/// <param name="Marks">By order id. A final mark is pruned once the order's reservation is archived.</param>
public sealed record Holdings(long Available, long Held, long Consumed, ImmutableSortedDictionary<string, ReservationMark> Marks)
{
    public static Holdings Of(long available) => new(available, 0, 0, ImmutableSortedDictionary<string, ReservationMark>.Empty);

    /// <summary>Everything ever added.</summary>
    [JsonIgnore]
    public long Total => Available + Held + Consumed;

    internal ReservationMark? MarkFor(string orderId) => Marks.GetValueOrDefault(orderId);

    /// <summary>Available to held. The caller has checked that the order has no mark and that the amount is available.</summary>
    internal Holdings Reserve(string orderId, long amount) => Validated(this with
    {
        Available = unchecked(Available - amount),
        Held = unchecked(Held + amount),
        Marks = Marks.Add(orderId, new(MarkState.Reserved, amount)),
    });

    /// <summary>Moves nothing. The caller has checked that the order has no mark.</summary>
    internal Holdings Reject(string orderId, FailureReason reason) => this with { Marks = Marks.Add(orderId, new(MarkState.Rejected, 0, reason)) };

    /// <summary>A tombstone; moves nothing. The caller has checked that the order has no mark.</summary>
    internal Holdings AddTombstone(string orderId) => this with { Marks = Marks.Add(orderId, new(MarkState.Voided)) };

    /// <summary>Held back to available. The caller has checked that the order's mark is Reserved, with this amount.</summary>
    internal Holdings Release(string orderId, long amount) => Validated(this with
    {
        Available = unchecked(Available + amount),
        Held = unchecked(Held - amount),
        Marks = Marks.SetItem(orderId, new(MarkState.Released, amount)),
    });

    /// <summary>Held to consumed. The caller has checked that the order's mark is Reserved, with this amount.</summary>
    internal Holdings Settle(string orderId, long amount) => Validated(this with
    {
        Held = unchecked(Held - amount),
        Consumed = unchecked(Consumed + amount),
        Marks = Marks.SetItem(orderId, new(MarkState.Settled, amount)),
    });

    /// <summary>Consumed back to available. The caller has checked that the order's mark is Settled, with this amount.</summary>
    internal Holdings Return(string orderId, long amount) => Validated(this with
    {
        Available = unchecked(Available + amount),
        Consumed = unchecked(Consumed - amount),
        Marks = Marks.SetItem(orderId, new(MarkState.Released, amount)),
    });

    /// <summary>More is available, or with a negative amount less.</summary>
    /// <exception cref="CorruptDocumentException">Less than nothing would be available, or more than <see cref="long.MaxValue"/> held altogether: check it first.</exception>
    public Holdings Add(long amount) => Validated(this with { Available = unchecked(Available + amount) });

    /// <summary>Removes the final marks of orders that are archived.</summary>
    internal Holdings WithoutMarks(IReadOnlySet<string> archived)
    {
        var pruned = Marks;
        foreach (var orderId in archived)
        {
            if (Marks.GetValueOrDefault(orderId) is { IsFinal: true }) pruned = pruned.Remove(orderId);
        }
        return ReferenceEquals(pruned, Marks) ? this : this with { Marks = pruned };
    }

    /// <summary>What is wrong with stored holdings. A document that has more to check than its holdings ends its own FindProblem with this.</summary>
    /// <returns>The rest of a sentence. Null: nothing.</returns>
    public string? FindProblem()
    {
        if (FindWrongSum() is { } wrong) return wrong;
        if (Marks is null || Marks.Values.Any(mark => mark is null or { Amount: < 0 })) return "a mark is null or has a negative amount";
        var marked = Marks.Values.Where(mark => !mark.IsFinal).Aggregate((Int128)0, (sum, mark) => sum + mark.Amount);
        return marked == Held ? null : $"it holds {Held}, and its orders hold {marked}";
    }

    private string? FindWrongSum() =>
        Available < 0 || Held < 0 || Consumed < 0 ? $"a holding is negative: {Quantities}"
        : (Int128)Available + Held + Consumed > long.MaxValue ? $"its holdings are too large: {Quantities}"
        : null;

    private string Quantities => $"available {Available}, held {Held}, consumed {Consumed}";

    /// <remarks>The operations before it are unchecked: a sum that wraps around is negative.</remarks>
    /// <exception cref="CorruptDocumentException">The holdings do not have what is moved.</exception>
    private static Holdings Validated(Holdings next) =>
        next.FindWrongSum() is { } problem ? throw new CorruptDocumentException($"The change is refused, after it {problem}.") : next;
}

/// <summary>A shared document that orders reserve from.</summary>
public interface IHasHoldings<TSelf> : IHasInvariants where TSelf : class, IHasHoldings<TSelf>
{
    Holdings Holdings { get; }

    TSelf With(Holdings holdings);

    string? IHasInvariants.FindProblem(string key) => Holdings.FindProblem();
}
