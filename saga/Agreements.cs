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

    public ImmutableDictionary<string, Mark> Of(string key) =>
        byKey.TryGetValue(key, out var marks) ? marks : ImmutableDictionary<string, Mark>.Empty;

    /// <summary>The document was written without these marks.</summary>
    public void Forget(string key, ImmutableDictionary<string, Mark> dropped)
    {
        while (byKey.TryGetValue(key, out var marks))
        {
            var left = marks.RemoveRange(dropped.Where(mark => marks.Contains(mark)).Select(mark => mark.Key));
            if (left.IsEmpty ? byKey.TryRemove(new(key, marks)) : byKey.TryUpdate(key, left, marks)) return;
        }
    }
}
