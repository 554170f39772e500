using System.Collections.Immutable;

namespace Saga.Reservations;

/// <summary>
/// Marks whose order is archived, so that the next write of their shared document can prune them. An entry that is lost costs a look-up later.
/// </summary>
internal sealed class ArchivedMarks
{
    /// <summary>Documents remembered, at most.</summary>
    private const int KeysMax = 100_000;

    /// <summary>Orders remembered of a document, at most: one that is missing is never written, and so never pruned.</summary>
    private const int OrdersMax = 10_000;

    private readonly Lock gate = new();
    private readonly Dictionary<string, ImmutableHashSet<string>> byKey = [];

    public void Add(string key, string orderId)
    {
        lock (gate)
        {
            if (byKey.Count >= KeysMax) byKey.Clear();
            var known = byKey.GetValueOrDefault(key, []);
            byKey[key] = known.Count < OrdersMax ? known.Add(orderId) : [orderId];
        }
    }

    /// <summary>The orders of a document's marks that are archived. Forgets those whose mark the document no longer has.</summary>
    public IReadOnlySet<string> Of(string key, ImmutableSortedDictionary<string, ReservationMark> marks)
    {
        lock (gate)
        {
            if (!byKey.TryGetValue(key, out var known)) return ImmutableHashSet<string>.Empty;
            var left = known.Except(known.Where(orderId => !marks.ContainsKey(orderId)));
            if (left.IsEmpty) byKey.Remove(key);
            else byKey[key] = left;
            return left;
        }
    }
}
