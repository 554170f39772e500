using System.Text;
using System.Text.Json.Serialization;
using Google.Protobuf;

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
internal sealed record DeadLetter(
    string Id, string Topic, string EventId, byte[] Data, DateTimeOffset? Said, DateTimeOffset Dead, string? TraceId, DeadLetterState State)
{
    public static string KeyOf(string id) => $"dead-letter:{id}";

    /// <summary>Null: it cannot be told.</summary>
    [JsonIgnore]
    public string? OrderId => EventId.Split('/') is [var order, _] && Guid.TryParseExact(order, "D", out _) ? order : null;
}

/// <summary>
/// Keeps what the broker gave up, until somebody redrives or discards it. The saga does not wait for it: what is open is looked after by the sweeps.
/// </summary>
internal sealed class DeadLetters(Documents documents, ISidecar sidecar, IdIndex index, Subscriptions subscriptions, AppId appId, TimeProvider clock)
{
    private const int ReadTogether = 200;

    private static readonly IdGroup Waiting = new("dead-letters", Parts: 16);

    /// <summary>Keeps one. The same event dies into the same dead letter of a service; of another it is another.</summary>
    /// <param name="came">What the dead-letter topic gave: a CloudEvent, or whatever else somebody put on a topic.</param>
    public async Task<DeadLetter> KeepAsync(byte[] came, CancellationToken stop)
    {
        var e = CloudEvent.Parse(came);
        var id = Fingerprint.Of($"{appId.Name}\n{(e is null ? Fingerprint.Of(came) : $"{e.Topic}\n{e.Id}")}");
        var letter = new DeadLetter(id, e?.Topic ?? "", e?.Id ?? "", e?.Data ?? came, e?.Said, clock.GetUtcNow(), e?.TraceId, DeadLetterState.Waiting);
        await documents.ChangeAsync<DeadLetter, bool>(DeadLetter.KeyOf(id), _ => new(letter, true, Retention.OfDeadLetters), stop);
        await index.AddAsync(Waiting, id, stop);
        SagaMetrics.DeadLetters.Add(1);
        return letter;
    }

    /// <summary>Null: there is none.</summary>
    public async Task<DeadLetter?> FindAsync(string id, CancellationToken stop) =>
        (await sidecar.ReadAsync<DeadLetter>(DeadLetter.KeyOf(id), stop)).Value;

    /// <summary>Those that wait, the oldest first.</summary>
    public async Task<IReadOnlyList<DeadLetter>> ReadWaitingAsync(CancellationToken stop)
    {
        List<DeadLetter> letters = [];
        foreach (var ids in (await index.ReadAsync(Waiting, stop)).Chunk(ReadTogether))
        {
            var read = await sidecar.ReadManyAsync<DeadLetter>([.. ids.Select(DeadLetter.KeyOf)], stop);
            foreach (var (id, letter) in ids.Zip(read))
            {
                if (letter.Value is null) await index.RemoveAsync(Waiting, id, stop);
                else if (letter.Value.State == DeadLetterState.Waiting) letters.Add(letter.Value);
            }
        }
        return [.. letters.OrderBy(letter => letter.Dead)];
    }

    /// <summary>Nothing more is to be done about it.</summary>
    public async Task<DeadLetter> CloseAsync(DeadLetter letter, DeadLetterState state, CancellationToken stop)
    {
        var closed = letter with { State = state };
        await documents.ChangeAsync<DeadLetter, bool>(DeadLetter.KeyOf(letter.Id), _ => new(closed, true, Retention.OfDeadLetters), stop);
        await index.RemoveAsync(Waiting, letter.Id, stop);
        return closed;
    }

    /// <summary>The event in it. Null: it cannot be read, and <paramref name="problem"/> says why.</summary>
    public IMessage? Read(DeadLetter letter, out string problem)
    {
        problem = "";
        if (letter.Topic.Length == 0) problem = $"It is no CloudEvent: {Encoding.UTF8.GetString(letter.Data.AsSpan(0, Math.Min(100, letter.Data.Length)))}";
        else if (subscriptions.On(letter.Topic) is not { } heard) problem = $"The topic {letter.Topic} is not heard here.";
        else
        {
            try
            {
                return heard.Read(ByteString.CopyFrom(letter.Data));
            }
            catch (UnreadableEventException unreadable)
            {
                problem = $"It is not the event of the topic {letter.Topic}: {unreadable.Message}";
            }
        }
        return null;
    }
}
