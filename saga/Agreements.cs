using System.Collections.Immutable;

namespace Saga;

/// <summary>
/// The marks that this process knows to agree with their claims, so that the next write of a shared document can drop them.
/// Knowledge that is lost costs a look-up later, nothing else.
/// </summary>
internal sealed class ResolvedMarks
{
    private const int KeysMax = 100_000;

    private readonly Lock gate = new();
    private readonly Dictionary<string, ImmutableDictionary<string, ReservationMark>> byKey = [];

    public void Add(string key, string orderId, ReservationMark mark)
    {
        lock (gate)
        {
            if (byKey.Count >= KeysMax) byKey.Clear();
            byKey[key] = byKey.GetValueOrDefault(key, ImmutableDictionary<string, ReservationMark>.Empty).SetItem(orderId, mark);
        }
    }

    /// <summary>What is known about the marks that a document has; what is known about others is forgotten.</summary>
    public ImmutableDictionary<string, ReservationMark> Of(string key, ImmutableSortedDictionary<string, ReservationMark> marks)
    {
        lock (gate)
        {
            if (!byKey.TryGetValue(key, out var known)) return ImmutableDictionary<string, ReservationMark>.Empty;
            var gone = known.Keys.Where(orderId => !marks.ContainsKey(orderId)).ToArray();
            if (gone.Length == 0) return known;
            var left = known.RemoveRange(gone);
            if (left.IsEmpty) byKey.Remove(key);
            else byKey[key] = left;
            return left;
        }
    }
}
