using System.Text.Json.Serialization;

namespace Saga;

public enum DeadLetterState
{
    /// <summary>Nobody has done anything about it.</summary>
    Waiting,
    /// <summary>It was handled in the end.</summary>
    Redriven,
    /// <summary>It was put aside.</summary>
    Discarded,
}

/// <summary>An event that this service could not handle.</summary>
/// <param name="Topic">Empty: it is no CloudEvent.</param>
/// <param name="EventId">Empty: it is no CloudEvent.</param>
/// <param name="Data">The payload, or all that came when it is no CloudEvent.</param>
/// <param name="Said">Null: unknown.</param>
/// <param name="Dead">When it came here.</param>
/// <param name="TraceId">32 hex digits. Null: none.</param>
/// <param name="Problem">Why it could not be handled. Null: the sidecar gave it up, and did not say why.</param>
internal sealed record DeadLetter(
    string Id, string Topic, string EventId, byte[] Data, DateTimeOffset? Said, DateTimeOffset Dead, string? TraceId, DeadLetterState State, string? Problem = null)
{
    public static string KeyOf(string id) => $"dead-letter:{id}";

    /// <summary>Null: it cannot be told.</summary>
    [JsonIgnore]
    public string? OrderId => EventId.Split('/') is [var order, _] && Guid.TryParseExact(order, "D", out _) ? order : null;
}

/// <summary>
/// Stores what could not be handled, until an operator redrives or discards it. The saga does not wait for it: the sweeps see to what is open.
/// </summary>
public sealed class DeadLetters(DocumentStore documents, ISidecar sidecar, IdIndex index, AppId appId, TimeProvider clock)
{
    private const int ReadTogether = 200;

    /// <summary>Characters: a hundred wrong fields need not all be listed.</summary>
    private const int ReasonMax = 2_000;

    private static readonly IdGroup Waiting = new("dead-letters", Shards: 16);

    /// <summary>Stores what the sidecar gave up.</summary>
    /// <param name="came">What the dead-letter topic delivered: a CloudEvent, or whatever else was published to a topic.</param>
    internal Task<DeadLetter> StoreAsync(byte[] came, CancellationToken ct)
    {
        var e = CloudEvent.Parse(came);
        return AddAsync(new(
            IdOf(e?.Topic ?? "", e?.Id ?? "", e?.Data ?? came), e?.Topic ?? "", e?.Id ?? "", e?.Data ?? came, e?.Said, clock.GetUtcNow(), e?.TraceId, DeadLetterState.Waiting), ct);
    }

    /// <summary>Stores an event that can never be handled.</summary>
    /// <param name="reason">Why, in sentences.</param>
    internal Task<DeadLetter> StoreAsync(Delivery delivery, string reason, CancellationToken ct)
    {
        var data = delivery.Data.ToByteArray();
        return AddAsync(new(
            IdOf(delivery.Topic, delivery.EventId, data), delivery.Topic, delivery.EventId, data, delivery.PublishedAt, clock.GetUtcNow(), SagaTracing.TraceId, DeadLetterState.Waiting,
            Shortened(reason)), ct);
    }

    /// <summary>
    /// The same event is the same dead letter of a service, however often it dies; of another service it is another. The payload counts: the id of
    /// an event is the publisher's choice, and what somebody else publishes under it must not replace what waits here.
    /// </summary>
    private string IdOf(string topic, string eventId, byte[] data) => Fingerprint.Of($"{appId.Name}\n{topic}\n{eventId}\n{Fingerprint.Of(data)}");

    private async Task<DeadLetter> AddAsync(DeadLetter letter, CancellationToken ct)
    {
        await documents.UpdateAsync<DeadLetter, bool>(DeadLetter.KeyOf(letter.Id), _ => new(letter, true, Retention.OfDeadLetters), ct);
        await index.AddAsync(Waiting, letter.Id, ct);
        SagaMetrics.DeadLetters.Add(1);
        return letter;
    }

    private static string Shortened(string reason) => reason.Length <= ReasonMax ? reason : reason[..ReasonMax];

    /// <summary>Null: there is none.</summary>
    internal async Task<DeadLetter?> FindAsync(string id, CancellationToken ct) =>
        (await sidecar.ReadAsync<DeadLetter>(DeadLetter.KeyOf(id), ct)).Value;

    /// <summary>Those that wait, the oldest first.</summary>
    internal async Task<IReadOnlyList<DeadLetter>> ReadWaitingAsync(CancellationToken ct)
    {
        List<DeadLetter> letters = [];
        foreach (var ids in (await index.ReadAsync(Waiting, ct)).Chunk(ReadTogether))
        {
            var read = await sidecar.ReadManyAsync<DeadLetter>([.. ids.Select(DeadLetter.KeyOf)], ct);
            foreach (var (id, letter) in ids.Zip(read))
            {
                if (letter.Value is null) await index.RemoveAsync(Waiting, id, ct);
                else if (letter.Value.State == DeadLetterState.Waiting) letters.Add(letter.Value);
            }
        }
        return [.. letters.OrderBy(letter => letter.Dead)];
    }

    /// <summary>Nothing more is to be done about it.</summary>
    internal async Task<DeadLetter> CloseAsync(DeadLetter letter, DeadLetterState state, CancellationToken ct)
    {
        var closed = letter with { State = state };
        await documents.UpdateAsync<DeadLetter, bool>(DeadLetter.KeyOf(letter.Id), _ => new(closed, true, Retention.OfDeadLetters), ct);
        await index.RemoveAsync(Waiting, letter.Id, ct);
        return closed;
    }
}
