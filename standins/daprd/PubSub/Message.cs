namespace Daprd.PubSub;

/// <summary>A message of a broker.</summary>
/// <param name="Metadata">Null when the publisher sent none.</param>
internal sealed record Message(string Topic, ReadOnlyMemory<byte> Data, IReadOnlyDictionary<string, string>? Metadata);

/// <summary>Handles one message; throws if it was not handled.</summary>
/// <param name="deadline">Cancelled when the message must be given up, including the current attempt.</param>
/// <param name="stopping">Cancelled when the subscription is stopped: the current attempt may finish, no new one starts.</param>
internal delegate Task MessageHandler(Message message, CancellationToken deadline, CancellationToken stopping);

/// <summary>A broker.</summary>
internal interface IPubSub : IAsyncDisposable
{
    Task PublishAsync(Message message);

    /// <summary>Publishes the messages concurrently and independently. Returns one result per message, in order: null or the failure.</summary>
    Task<IReadOnlyList<Exception?>> PublishManyAsync(IReadOnlyList<Message> messages);

    /// <summary>Completes when the subscription is active. Disposing the result stops it and waits for running handlers.</summary>
    Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct);
}
