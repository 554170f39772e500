using System.Collections.Immutable;
using Google.Protobuf;
using Saga.State;

namespace Saga.Commands;

/// <summary>A command that was executed, with its response.</summary>
/// <param name="Key">The client's idempotency key.</param>
/// <param name="Content">A fingerprint of the request.</param>
/// <param name="Response">The response, as protobuf bytes in base64.</param>
public sealed record CompletedCommand(string Key, string Content, string Response);

/// <summary>A document that stores the last commands that changed it, for deduplication.</summary>
public interface IHasCommandHistory<TSelf> where TSelf : class, IHasCommandHistory<TSelf>
{
    /// <summary>Oldest first.</summary>
    ImmutableArray<CompletedCommand> Commands { get; }

    TSelf WithCommands(ImmutableArray<CompletedCommand> commands);
}

/// <summary>The outcome of a command on a document: a new state and a response, or a rejection.</summary>
public readonly record struct Outcome<T, TResponse>(T? State, TResponse? Response, Rejection? Rejection)
    where T : class
    where TResponse : class
{
    public static implicit operator Outcome<T, TResponse>(Rejection rejection) => new(null, null, rejection);
}

/// <summary>Executes commands of clients on one document, each idempotency key once.</summary>
public sealed class IdempotentCommands(DocumentStore documents)
{
    /// <summary>Commands stored per document. A key older than these counts as new.</summary>
    public const int MaxHistory = 32;

    /// <param name="idempotencyKey">Empty: a key is generated, so that at least this call's own retries are one command.</param>
    /// <param name="decide">Pure. Gets the document, null where there is none.</param>
    /// <exception cref="RejectedException">The command is rejected, or the key was used with other content.</exception>
    public async Task<TResponse> RunAsync<T, TResponse>(
        string key, string idempotencyKey, IMessage request, Func<T?, Outcome<T, TResponse>> decide, CancellationToken ct)
        where T : class, IHasCommandHistory<T>
        where TResponse : class, IMessage<TResponse>, new()
    {
        var commandKey = idempotencyKey.Length > 0 ? idempotencyKey : $"once:{Guid.CreateVersion7()}";
        var content = Fingerprint.Of(request.ToByteArray());
        var (response, rejection) = await documents.UpdateAsync<T, (TResponse?, Rejection?)>(key, kept =>
        {
            if (kept?.Commands.FirstOrDefault(command => command.Key == commandKey) is { } completed)
            {
                if (completed.Content != content) return new(null, (null, Rejection.KeyReused(idempotencyKey)));
                var again = new TResponse();
                again.MergeFrom(Convert.FromBase64String(completed.Response));
                return new(null, (again, null));
            }
            var outcome = decide(kept);
            if (outcome.Rejection is not null) return new(null, (null, outcome.Rejection));

            var commands = (kept?.Commands ?? []).Add(new(commandKey, content, Convert.ToBase64String(outcome.Response!.ToByteArray())));
            if (commands.Length > MaxHistory) commands = commands.RemoveRange(0, commands.Length - MaxHistory);
            return new(outcome.State!.WithCommands(commands), (outcome.Response, null));
        }, ct);
        return response ?? throw new RejectedException(rejection!);
    }
}
