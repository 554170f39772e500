using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Saga.Dapr;
using Saga.State;

namespace Saga.Commands;

/// <summary>A command that was executed, with its response.</summary>
/// <param name="Command">
/// The name of its request, such as DepositRequest: each command has idempotency keys of its own. Null in documents of an older version.
/// </param>
/// <param name="Key">The client's idempotency key.</param>
/// <param name="Content">A fingerprint of the request.</param>
/// <param name="Response">The response, as protobuf bytes in base64.</param>
/// <param name="At">When it was executed.</param>
/// <param name="IsKeyGenerated">No client has sent the key; only the call that generated it repeats it.</param>
/// <param name="Caller">The user who called: each has idempotency keys of its own. Null: callers were not authenticated.</param>
public sealed record CompletedCommand(
    string? Command, string Key, string Content, string Response, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool IsKeyGenerated = false, string? Caller = null) : IHasInvariants
{
    /// <summary>The client's key can have any characters, so that only its fingerprint is part of a state key.</summary>
    internal string KeyFingerprint => Fingerprint.Of(Caller is null ? Key : $"{Caller}\n{Key}");

    /// <summary>The state key of its record, once it is moved out of the document with key <paramref name="document"/>.</summary>
    internal string ToRecordKey(string document) => $"command:{Command}:{KeyFingerprint}:{document}";

    string? IHasInvariants.FindProblem(string key) =>
        Key.Length > 0 && key.StartsWith(ToRecordKey(""), StringComparison.Ordinal) ? null : $"it is command '{Command}' with key '{Key}'";

    /// <summary>What is wrong with the commands of a document that was read, as the rest of a sentence. Null: nothing.</summary>
    public static string? FindProblem(ImmutableArray<CompletedCommand> commands) =>
        // A stored one may be null.
        commands.IsDefault ? "it lacks its commands" : commands.Any(command => command is not { Key.Length: > 0 }) ? "one of its commands has no key" : null;
}

/// <summary>The document for which a caller has first used an idempotency key with a command.</summary>
/// <param name="At">When it was last written: with the key's first use, and again while it is used. Null in documents of an older version.</param>
internal sealed record UsedKey(string Document, DateTimeOffset? At = null) : IHasInvariants
{
    public string? FindProblem(string key) => Document.Length == 0 ? "it names no document" : null;
}

/// <summary>A document that stores the last commands that changed it, for deduplication.</summary>
public interface IHasCommandHistory<TSelf> where TSelf : class, IHasCommandHistory<TSelf>
{
    /// <summary>Oldest first, at most <see cref="IdempotentCommands.MaxHistory"/>.</summary>
    ImmutableArray<CompletedCommand> Commands { get; }

    /// <summary>Commands that were moved from this document to records of their own.</summary>
    int ArchivedCommands { get; }

    TSelf WithCommands(ImmutableArray<CompletedCommand> commands, int archived);
}

/// <summary>The outcome of a command on a document: a new state and a response, or a rejection.</summary>
public readonly record struct Outcome<T, TResponse>(T? State, TResponse? Response, Rejection? Rejection)
    where T : class
    where TResponse : class
{
    public static implicit operator Outcome<T, TResponse>(Rejection rejection) => new(null, null, rejection);
}

/// <summary>Executes commands of clients on one document, each idempotency key of a caller and a command once.</summary>
/// <remarks>
/// The document stores its last commands, so that a command and the record of it are one write. An older one is moved to a record of its own, which
/// expires: first its record is created, then the document is written without it. Who misses a command in the document reads its record, and decides
/// only if no command has been moved since. A key belongs to the document with which it was first used: that is written before the command is executed, so
/// that a crash in between leaves a key that only the same command can use.
/// </remarks>
public sealed class IdempotentCommands
{
    /// <summary>Commands in the document itself.</summary>
    internal const int MaxHistory = 16;

    /// <summary>How long a key is remembered, at least. It counts as new after that.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromHours(24);

    /// <summary>A key that is used again after this is written again, and with it lives for <see cref="Retention"/> after the command.</summary>
    private static readonly TimeSpan RenewAfter = TimeSpan.FromHours(1);

    private readonly DocumentStore documents;
    private readonly TimeProvider clock;

    internal IdempotentCommands(DocumentStore documents, TimeProvider clock) => (this.documents, this.clock) = (documents, clock);

    /// <param name="idempotencyKey">Empty: a key is generated, so that at least this call's own retries are one command.</param>
    /// <param name="caller">Who calls.</param>
    /// <param name="decide">Pure. Gets the document, null where there is none.</param>
    /// <exception cref="RejectedException">The command is rejected, or the key was used with other content.</exception>
    public async Task<TResponse> RunAsync<T, TResponse>(
        string key, string idempotencyKey, IMessage request, Caller caller, Func<T?, Outcome<T, TResponse>> decide, CancellationToken ct)
        where T : class, IHasCommandHistory<T>
        where TResponse : class, IMessage<TResponse>, new()
    {
        var command = new CompletedCommand(
            request.Descriptor.Name, idempotencyKey.Length > 0 ? idempotencyKey : $"{Guid.CreateVersion7()}",
            Fingerprint.Of(request.ToByteArray()), "", clock.GetUtcNow(), IsKeyGenerated: idempotencyKey.Length == 0, caller.UserId);
        // Known about the records outside of the document: which were written, and after how many moves the one of this key was missing.
        HashSet<CompletedCommand> archived = [];
        var missingAfter = 0;
        if (!command.IsKeyGenerated && await UseKeyAsync(key, command, ct) != key) throw new RejectedException(Rejection.KeyReused(idempotencyKey));
        while (true)
        {
            var step = await documents.UpdateAsync<T, Step<TResponse>>(key, kept => Execute(kept, command, decide, archived, missingAfter), ct);
            switch (step)
            {
                case { Response: { } response }:
                    return response;
                case { Rejection: { } rejection }:
                    throw new RejectedException(rejection);
                case { ToArchive: { } oldest }:
                    await ArchiveAsync(key, oldest, ct);
                    archived.Add(oldest);
                    break;
                default:
                    if (await FindArchivedAsync(key, command, ct) is { } completed) return Replay<TResponse>(completed, command);
                    missingAfter = step.MovedSoFar;
                    break;
            }
        }
    }

    /// <summary>Pure: replays, rejects or executes the command, or says what has to be read or written before.</summary>
    private static Update<T, Step<TResponse>> Execute<T, TResponse>(
        T? kept, CompletedCommand command, Func<T?, Outcome<T, TResponse>> decide, HashSet<CompletedCommand> archived, int missingAfter)
        where T : class, IHasCommandHistory<T>
        where TResponse : class, IMessage<TResponse>, new()
    {
        var history = kept?.Commands ?? [];
        var moved = kept?.ArchivedCommands ?? 0;
        if (history.FirstOrDefault(one => (one.Key, one.Command, one.Caller) == (command.Key, command.Command, command.Caller)) is { } completed)
        {
            return completed.Content == command.Content
                ? new(null, new(Response: Parse<TResponse>(completed)))
                : new(null, new(Rejection: Rejection.KeyReused(command.Key)));
        }
        if (!command.IsKeyGenerated && moved != missingAfter) return new(null, new(MovedSoFar: moved));

        var outcome = decide(kept);
        if (outcome.Rejection is { } rejection) return new(null, new(Rejection: rejection));
        history = history.Add(command with { Response = Convert.ToBase64String(outcome.Response!.ToByteArray()) });
        while (history.Length > MaxHistory)
        {
            var oldest = history[0];
            if (MustBeArchived(oldest, command.At))
            {
                if (!archived.Contains(oldest)) return new(null, new(ToArchive: oldest));
                moved++;
            }
            history = history.RemoveAt(0);
        }
        return new(outcome.State!.WithCommands(history, moved), new(Response: outcome.Response));
    }

    private static bool MustBeArchived(CompletedCommand one, DateTimeOffset now) => !one.IsKeyGenerated && one.Command is not null && now - one.At < Retention;

    /// <summary>Creates the record of a command. One that is there already is the same.</summary>
    private Task<bool> ArchiveAsync(string key, CompletedCommand command, CancellationToken ct) => documents.UpdateAsync<CompletedCommand, bool>(
        command.ToRecordKey(key), kept => kept is null ? new(command, true, Retention) : new(null, true), ct, expectMissing: true);

    /// <returns>The document that the key belongs to.</returns>
    private async Task<string> UseKeyAsync(string key, CompletedCommand command, CancellationToken ct) => (await documents.UpdateAsync<UsedKey, UsedKey>(
        $"used-key:{command.Command}:{command.KeyFingerprint}", used =>
        {
            var now = new UsedKey(key, command.At);
            return used is null || used.Document == key && !(command.At - used.At < RenewAfter) ? new(now, now, Retention + RenewAfter) : new(null, used);
        }, ct)).Document;

    private Task<CompletedCommand?> FindArchivedAsync(string key, CompletedCommand command, CancellationToken ct) =>
        documents.UpdateAsync<CompletedCommand, CompletedCommand?>(command.ToRecordKey(key), kept => new(null, kept), ct);

    /// <exception cref="RejectedException">The key was used with other content.</exception>
    private static TResponse Replay<TResponse>(CompletedCommand completed, CompletedCommand command) where TResponse : class, IMessage<TResponse>, new() =>
        completed.Content == command.Content ? Parse<TResponse>(completed) : throw new RejectedException(Rejection.KeyReused(command.Key));

    private static TResponse Parse<TResponse>(CompletedCommand completed) where TResponse : class, IMessage<TResponse>, new()
    {
        try
        {
            var response = new TResponse();
            response.MergeFrom(Convert.FromBase64String(completed.Response));
            return response;
        }
        catch (Exception unreadable) when (unreadable is FormatException or InvalidProtocolBufferException)
        {
            throw new CorruptDocumentException($"The stored response to {completed.Command} with key '{completed.Key}' is corrupt: {unreadable.Message}");
        }
    }

    /// <summary>What one look at the document gave. All null: the record of the command has to be looked for.</summary>
    /// <param name="ToArchive">A command whose record has to be created before the document can be written without it.</param>
    /// <param name="MovedSoFar">See <see cref="IHasCommandHistory{TSelf}.ArchivedCommands"/>.</param>
    private readonly record struct Step<TResponse>(
        TResponse? Response = null, Rejection? Rejection = null, CompletedCommand? ToArchive = null, int MovedSoFar = 0) where TResponse : class;
}
