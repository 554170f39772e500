using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Saga.Commands;
using Saga.Dapr;
using Saga.State;
using Saga.Telemetry;

namespace Saga.Messaging;

internal enum DeadLetterState
{
    /// <summary>Neither redriven nor discarded.</summary>
    Waiting,
    /// <summary>Handled on an operator's request.</summary>
    Redriven,
    /// <summary>Put aside by an operator.</summary>
    Discarded,
}

/// <summary>An event that this service could not handle.</summary>
/// <param name="Topic">Empty: it is not a CloudEvent.</param>
/// <param name="EventId">Empty: it is not a CloudEvent.</param>
/// <param name="Data">The payload, or everything that was delivered when it is not a CloudEvent.</param>
/// <param name="PublishedAt">Null: unknown.</param>
/// <param name="TraceId">32 hex digits. Null: it was not traced.</param>
/// <param name="Problem">Why it could not be handled. Null: the sidecar used up its retries and does not say why.</param>
internal sealed record DeadLetter(
    string Id, string Topic, string EventId, byte[] Data, DateTimeOffset? PublishedAt, DateTimeOffset DeadLetteredAt, string? TraceId,
    DeadLetterState State, string? Problem = null) : IHasInvariants
{
    public string? FindProblem(string key) =>
        key != KeyOf(Id) ? $"it is dead letter '{Id}'"
        : !DocumentId.IsTrace(TraceId) ? $"'{TraceId}' in it is no trace"
        : null;

    public static string KeyOf(string id) => $"dead-letter:{id}";

    /// <summary>Null: the event id does not name an order.</summary>
    [JsonIgnore]
    public string? OrderId => EventId.Split('/') is [var order, _] && RequestCheck.IsUuid(order) ? order : null;
}

/// <summary>
/// Stores what could not be handled, until an operator redrives or discards it. The saga does not depend on it: the sweeps finish every open order.
/// </summary>
internal sealed class DeadLetters(DocumentStore documents, ISidecar sidecar, IdIndex index, AppId appId, TimeProvider clock)
{
    /// <summary>Read at once, at most: each may have <see cref="DataMax"/> bytes.</summary>
    private const int MaxBatchSize = 20;

    /// <summary>Characters of a stored reason, at most.</summary>
    internal const int ReasonMax = 2_000;

    /// <summary>Characters of a stored topic or event id, at most. Those of the shop have at most 60.</summary>
    internal const int NameMax = 200;

    /// <summary>Bytes of a stored payload, at most: a document must be small enough for a call to the sidecar, and a third larger in base64.</summary>
    private const int DataMax = 1024 * 1024;

    private static readonly IdGroup Waiting = new("dead-letters", Shards: 16);

    /// <summary>Stores an event for which the sidecar used up its retries.</summary>
    /// <param name="payload">As the dead-letter topic delivers it: a CloudEvent, or any other bytes that were published.</param>
    internal Task<DeadLetter> StoreAsync(byte[] payload, CancellationToken ct)
    {
        var e = CloudEvent.Parse(payload);
        return AddAsync(new(
            GetId(e?.Topic ?? "", e?.Id ?? "", e?.Data ?? payload), e?.Topic ?? "", e?.Id ?? "", e?.Data ?? payload, e?.PublishedAt, clock.GetUtcNow(),
            e?.TraceId, DeadLetterState.Waiting), ct);
    }

    /// <summary>Stores an event, or an entry of a sweep, that can never be handled.</summary>
    /// <param name="reason">Why, in sentences.</param>
    /// <param name="expires">False: it lives until it is redriven or discarded. Nothing else remembers the entry of a sweep.</param>
    internal Task<DeadLetter> StoreAsync(Delivery delivery, string reason, CancellationToken ct, bool expires = true)
    {
        var data = delivery.Data.ToByteArray();
        return AddAsync(new(
            GetId(delivery.Topic, delivery.EventId, data), delivery.Topic, delivery.EventId, data, delivery.PublishedAt, clock.GetUtcNow(),
            SagaTracing.TraceId, DeadLetterState.Waiting,
            Shortened.To(ReasonMax, reason)), ct, expires);
    }

    /// <summary>
    /// Deterministic per service, topic, event id and payload, so that a redelivered event is the same dead letter. The payload is part of it because
    /// the publisher chooses the event id: another payload under that id must not replace a dead letter that waits.
    /// </summary>
    private string GetId(string topic, string eventId, byte[] data) => Fingerprint.Of($"{appId.Name}\n{topic}\n{eventId}\n{Fingerprint.Of(data)}");

    private async Task<DeadLetter> AddAsync(DeadLetter letter, CancellationToken ct, bool expires = true)
    {
        letter = letter with { Topic = Shortened.To(NameMax, letter.Topic), EventId = Shortened.To(NameMax, letter.EventId) };
        if (letter.Data.Length > DataMax)
        {
            var left = $"Only the first {DataMax} of its {letter.Data.Length} bytes are kept.";
            letter = letter with { Data = letter.Data[..DataMax], Problem = letter.Problem is null ? left : $"{left} {letter.Problem}" };
        }
        await documents.UpdateAsync<DeadLetter, bool>(DeadLetter.KeyOf(letter.Id), _ => new(letter, true, expires ? Retention.OfDeadLetters : null), ct);
        await index.AddAsync(Waiting, letter.Id, ct);
        SagaMetrics.DeadLettersStored.Add(1);
        return letter;
    }

    /// <summary>One dead letter by its id. Null: there is none.</summary>
    internal async Task<DeadLetter?> FindAsync(string id, CancellationToken ct) =>
        (await sidecar.ReadAsync<DeadLetter>(DeadLetter.KeyOf(id), ct)).Value;

    /// <summary>
    /// The waiting dead letters, in no order. A corrupt one has nothing but its id and, as its problem, what is wrong with it. They are not all in memory
    /// at once unless the caller keeps them.
    /// </summary>
    internal async IAsyncEnumerable<DeadLetter> ReadWaitingAsync([EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var ids in (await index.ReadAsync(Waiting, ct)).Chunk(MaxBatchSize))
        {
            var reads = await sidecar.ReadEachAsync<DeadLetter>([.. ids.Select(DeadLetter.KeyOf)], ct);
            foreach (var (id, read) in ids.Zip(reads))
            {
                if (await ReadAsync(id, read) is not { } letter) await index.RemoveAsync(Waiting, id, ct);
                else if (letter.State == DeadLetterState.Waiting) yield return letter;
            }
        }
    }

    /// <returns>Null: it has expired.</returns>
    private async Task<DeadLetter?> ReadAsync(string id, Task<Versioned<DeadLetter>> read)
    {
        try
        {
            return (await read).Value;
        }
        catch (CorruptDocumentException corrupt)
        {
            return new(id, "", "", [], null, clock.GetUtcNow(), null, DeadLetterState.Waiting, corrupt.Message);
        }
    }

    /// <summary>Ends the waiting of a dead letter.</summary>
    internal async Task<DeadLetter> ResolveAsync(DeadLetter letter, DeadLetterState state, CancellationToken ct)
    {
        var resolved = letter with { State = state };
        await documents.UpdateAsync<DeadLetter, bool>(DeadLetter.KeyOf(letter.Id), _ => new(resolved, true, Retention.OfDeadLetters), ct);
        await index.RemoveAsync(Waiting, letter.Id, ct);
        return resolved;
    }
}
