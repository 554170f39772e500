using System.Collections.Immutable;

namespace Saga;

/// <summary>Ids that belong together: a state store cannot be asked which keys it has.</summary>
public sealed record IdList(ImmutableSortedSet<string> Ids);

/// <summary>A list of ids by its name.</summary>
/// <param name="Shards">The documents it is spread over: 1 for a few hundred ids, 64 for a hundred thousand.</param>
public readonly record struct IdGroup(string Name, int Shards)
{
    internal string KeyOf(int part) => $"{Name}:{part}";

    // string.GetHashCode differs from process to process.
    internal string KeyOf(string id) => KeyOf(id.Aggregate(17, (hash, letter) => (hash * 31 + letter) & 0xFFFF) % Shards);
}

/// <summary>Keeps lists of ids.</summary>
public sealed class IdIndex(DocumentStore documents, ISidecar sidecar)
{
    /// <summary>Adds an id. Done before the document exists: an id too many is harmless, one too few is lost.</summary>
    public Task AddAsync(IdGroup list, string id, CancellationToken ct) => documents.UpdateAsync<IdList, bool>(list.KeyOf(id), kept =>
    {
        var ids = kept?.Ids ?? [];
        return ids.Contains(id) ? new(null, true) : new(new(ids.Add(id)), true);
    }, ct);

    /// <summary>Removes an id, once its document is of no more interest.</summary>
    public Task RemoveAsync(IdGroup list, string id, CancellationToken ct) => documents.UpdateAsync<IdList, bool>(list.KeyOf(id), kept =>
        kept?.Ids.Contains(id) == true ? new(new(kept.Ids.Remove(id)), true) : new(null, true), ct);

    /// <summary>All ids of a list, sorted.</summary>
    public async Task<IReadOnlyList<string>> ReadAsync(IdGroup list, CancellationToken ct)
    {
        var read = await sidecar.ReadManyAsync<IdList>([.. Enumerable.Range(0, list.Shards).Select(list.KeyOf)], ct);
        return [.. read.SelectMany(part => part.Value?.Ids ?? []).Order(StringComparer.Ordinal)];
    }

    /// <summary>A page of a list, sorted.</summary>
    /// <param name="after">The last id of the page before. Empty: from the start.</param>
    /// <returns>The ids, and what to say as <paramref name="after"/> for the next page: empty when there is none.</returns>
    public async Task<(IReadOnlyList<string> Ids, string Next)> ReadPageAsync(IdGroup list, string after, int size, CancellationToken ct)
    {
        var page = (await ReadAsync(list, ct)).Where(id => string.CompareOrdinal(id, after) > 0).Take(size + 1).ToArray();
        return page.Length > size ? (page[..size], page[size - 1]) : (page, "");
    }
}
