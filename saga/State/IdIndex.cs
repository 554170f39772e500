using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Saga.Dapr;
using Saga.Telemetry;

namespace Saga.State;

/// <summary>One shard of an index: a state store cannot list its keys.</summary>
/// <remarks>Each id is checked when it is listed, so that a wrong one does not hide the others.</remarks>
internal sealed record IdShard(ImmutableSortedSet<string> Ids);

/// <summary>The name of an index, and its size.</summary>
/// <param name="Shards">Documents it is spread over: 1 for a few hundred ids, 64 for a hundred thousand.</param>
public readonly record struct IdGroup(string Name, int Shards)
{
    internal string KeyOf(int shard) => $"{Name}:{shard}";

    // Not string.GetHashCode, which differs between processes.
    internal string KeyOf(string id) => KeyOf(id.Aggregate(17, (hash, letter) => (hash * 31 + letter) & 0xFFFF) % Shards);
}

/// <summary>Indexes of ids, each sharded over documents.</summary>
public sealed class IdIndex
{
    private readonly DocumentStore documents;
    private readonly ISidecar sidecar;
    private readonly ILogger log;

    /// <param name="log">Says what a list leaves out. Null: it is not logged.</param>
    internal IdIndex(DocumentStore documents, ISidecar sidecar, ILogger<IdIndex>? log = null) =>
        (this.documents, this.sidecar, this.log) = (documents, sidecar, log ?? NullLogger<IdIndex>.Instance);

    /// <summary>Adds an id. Call it before the document is created: an id without a document is harmless, a document without an id is lost.</summary>
    public Task AddAsync(IdGroup group, string id, CancellationToken ct) => documents.UpdateAsync<IdShard, bool>(group.KeyOf(id), kept =>
    {
        var ids = kept?.Ids ?? [];
        return ids.Contains(id) ? new(null, true) : new(new(ids.Add(id)), true);
    }, ct);

    /// <summary>Removes an id, after its document.</summary>
    public Task RemoveAsync(IdGroup group, string id, CancellationToken ct) => documents.UpdateAsync<IdShard, bool>(group.KeyOf(id), kept =>
        kept?.Ids.Contains(id) == true ? new(new(kept.Ids.Remove(id)), true) : new(null, true), ct);

    /// <summary>All ids of an index, sorted. What is no id is logged and left out. A corrupt shard fails the list: which ids it had is not known.</summary>
    public async Task<IReadOnlyList<string>> ReadAsync(IdGroup group, CancellationToken ct)
    {
        List<string> ids = [];
        foreach (var shard in await sidecar.ReadManyAsync<IdShard>([.. Enumerable.Range(0, group.Shards).Select(group.KeyOf)], ct))
        {
            foreach (var id in shard.Value?.Ids ?? [])
            {
                if (DocumentId.IsValid(id)) ids.Add(id);
                else SagaLog.LeftOutOfList(log, $"'{id}' in {group.Name} is no id.");
            }
        }
        ids.Sort(StringComparer.Ordinal);
        return ids;
    }

    /// <summary>One page of an index, sorted.</summary>
    /// <param name="after">The last id of the previous page. Empty: from the start.</param>
    /// <returns>The ids, and the <paramref name="after"/> of the next page, empty when there is none.</returns>
    public async Task<(IReadOnlyList<string> Ids, string Next)> ReadPageAsync(IdGroup group, string after, int size, CancellationToken ct)
    {
        var page = (await ReadAsync(group, ct)).Where(id => string.CompareOrdinal(id, after) > 0).Take(size + 1).ToArray();
        return page.Length > size ? (page[..size], page[size - 1]) : (page, "");
    }
}
