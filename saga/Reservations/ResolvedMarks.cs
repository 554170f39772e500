using System.Collections.Immutable;

namespace Saga.Reservations;

/// <summary>
/// Marks that are known to agree with their reservations, so that the next write of a shared document can prune them. An entry that is lost
/// costs a look-up later.
/// </summary>
internal sealed class ResolvedMarks
{
    /// <summary>Documents remembered, at most.</summary>
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

    /// <summary>The resolved marks of a document. Forgets those that the document no longer has.</summary>
    public ImmutableDictionary<string, ReservationMark> Of(string key, ImmutableSortedDictionary<string, ReservationMark> marks)
    {
        lock (gate)
        {
            if (!byKey.TryGetValue(key, out var known)) return ImmutableDictionary<string, ReservationMark>.Empty;
            var pruned = known.Keys.Where(orderId => !marks.ContainsKey(orderId)).ToArray();
            if (pruned.Length == 0) return known;
            var left = known.RemoveRange(pruned);
            if (left.IsEmpty) byKey.Remove(key);
            else byKey[key] = left;
            return left;
        }
    }
}
