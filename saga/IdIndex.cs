using System.Collections.Immutable;

namespace Saga;

/// <summary>Ids that belong together: a state store cannot be asked which keys it has.</summary>
public sealed record IdList(ImmutableSortedSet<string> Ids);

/// <summary>Keeps lists of ids.</summary>
public sealed class IdIndex(Documents documents, ISidecar sidecar)
{
    /// <summary>Adds an id. Done before the document exists: an id too many is harmless, one too few is lost.</summary>
    public Task AddAsync(string list, string id, CancellationToken stop) => documents.ChangeAsync<IdList, bool>(list, kept =>
    {
        var ids = kept?.Ids ?? [];
        return ids.Contains(id) ? new(null, true) : new(new(ids.Add(id)), true);
    }, stop);

    /// <summary>The ids of these lists together, sorted.</summary>
    public async Task<IReadOnlyList<string>> ReadAsync(IReadOnlyList<string> lists, CancellationToken stop)
    {
        var read = await sidecar.ReadManyAsync<IdList>(lists, stop);
        return [.. read.SelectMany(list => list.Value?.Ids ?? []).Order(StringComparer.Ordinal)];
    }
}
