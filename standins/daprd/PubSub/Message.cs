namespace Daprd.PubSub;

/// <summary>A message as a broker carries it.</summary>
/// <param name="Metadata">Null when the publisher sent none.</param>
internal sealed record Message(string Topic, ReadOnlyMemory<byte> Data, IReadOnlyDictionary<string, string>? Metadata);

/// <summary>Handles one message; throwing means it was not handled.</summary>
/// <param name="deadline">Ends when the message is to be given up, whatever is under way for it.</param>
/// <param name="stopping">Ends when the subscription is being stopped: whatever is under way may finish, nothing new is begun.</param>
internal delegate Task MessageHandler(Message message, CancellationToken deadline, CancellationToken stopping);

/// <summary>A broker.</summary>
internal interface IPubSub : IAsyncDisposable
{
    Task PublishAsync(Message message);

    /// <summary>Each by itself, all at the same time. Why each was not published, in order; null when it was.</summary>
    Task<IReadOnlyList<Exception?>> PublishManyAsync(IReadOnlyList<Message> messages);

    /// <summary>Completes when the subscription is active. Disposing the result stops it and waits for what is under way.</summary>
    Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct);
}
