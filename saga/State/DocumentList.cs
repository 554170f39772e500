using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Telemetry;

namespace Saga.State;

/// <summary>Reads the documents of a list. One that is corrupt is left out, named and logged, and hides no other.</summary>
public sealed class DocumentList
{
    private readonly ISidecar sidecar;
    private readonly ILogger log;

    internal DocumentList(ISidecar sidecar, ILogger<DocumentList> log) => (this.sidecar, this.log) = (sidecar, log);

    /// <summary>Reads documents by their ids. A transient fault of one fails the call: an outage must not look like a shorter list.</summary>
    /// <param name="keyOf">The state key of a document, from its id.</param>
    /// <returns>The documents that there are, in the order of the ids, and the ids of those that cannot be read.</returns>
    public async Task<(IReadOnlyList<T> Documents, IReadOnlyList<string> UnreadableIds)> ReadAsync<T>(
        IReadOnlyList<string> ids, Func<string, string> keyOf, CancellationToken ct) where T : class
    {
        List<T> documents = [];
        List<string> unreadable = [];
        foreach (var (id, read) in ids.Zip(await sidecar.ReadEachAsync<T>([.. ids.Select(keyOf)], ct)))
        {
            try
            {
                if ((await read).Value is { } document) documents.Add(document);
            }
            catch (Exception fault) when (!Faults.IsTransient(fault))
            {
                SagaLog.DocumentLeftOut(log, fault is CorruptDocumentException ? null : fault, keyOf(id), fault.Message);
                unreadable.Add(id);
            }
        }
        return (documents, unreadable);
    }
}
