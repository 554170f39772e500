using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Saga;

/// <summary>
/// The marks that this process knows to agree with their claims, so that the next write of a shared document can drop them.
/// Knowledge that is lost costs a look-up later, nothing else.
/// </summary>
internal sealed class Agreements
{
    private const int KeysMax = 100_000;

    private readonly ConcurrentDictionary<string, ImmutableDictionary<string, Mark>> byKey = new();

    public void Add(string key, string orderId, Mark mark)
    {
        if (byKey.Count >= KeysMax) byKey.Clear();
        byKey.AddOrUpdate(key, _ => ImmutableDictionary<string, Mark>.Empty.Add(orderId, mark), (_, marks) => marks.SetItem(orderId, mark));
    }

    /// <summary>What is known about the marks that a document has; what is known about others is forgotten.</summary>
    public ImmutableDictionary<string, Mark> Of(string key, ImmutableSortedDictionary<string, Mark> marks)
    {
        if (!byKey.TryGetValue(key, out var known)) return ImmutableDictionary<string, Mark>.Empty;
        var gone = known.Keys.Where(orderId => !marks.ContainsKey(orderId)).ToArray();
        if (gone.Length == 0) return known;
        var left = known.RemoveRange(gone);
        // When somebody added to it meanwhile, the next write forgets.
        if (left.IsEmpty) byKey.TryRemove(new(key, known));
        else byKey.TryUpdate(key, left, known);
        return left;
    }
}
