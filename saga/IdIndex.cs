using System.Collections.Immutable;

namespace Saga;

/// <summary>Ids that belong together: a state store cannot be asked which keys it has.</summary>
public sealed record IdList(ImmutableSortedSet<string> Ids);

/// <summary>Keeps lists of ids.</summary>
public sealed class IdIndex(ISidecar sidecar, Patience patience)
{
    /// <summary>Adds an id. Done before the document exists: an id too many is harmless, one too few is lost.</summary>
    public async Task AddAsync(string list, string id, CancellationToken stop)
    {
        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            var read = await sidecar.ReadAsync<IdList>(list, stop);
            var ids = read.Value?.Ids ?? [];
            if (ids.Contains(id) || await sidecar.TryWriteAsync(read, new(ids.Add(id)), null, stop)) return;
        }
    }

    /// <summary>The ids of these lists together, sorted.</summary>
    public async Task<IReadOnlyList<string>> ReadAsync(IReadOnlyList<string> lists, CancellationToken stop)
    {
        var read = await sidecar.ReadManyAsync<IdList>(lists, stop);
        return [.. read.SelectMany(list => list.Value?.Ids ?? []).Order(StringComparer.Ordinal)];
    }
}
