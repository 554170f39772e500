namespace Daprd.PubSub;

/// <summary>A message of a broker.</summary>
internal sealed record Message(string Topic, ReadOnlyMemory<byte> Data);

/// <summary>Handles one message; throws if it was not handled.</summary>
/// <param name="deadline">Cancelled when the message must be given up, including the current attempt.</param>
/// <param name="stopping">Cancelled when the subscription is stopped: the current attempt may finish, no new one starts.</param>
internal delegate Task MessageHandler(Message message, CancellationToken deadline, CancellationToken stopping);

/// <summary>A broker.</summary>
internal interface IPubSub
{
    Task PublishAsync(Message message);

    /// <summary>Completes when the subscription is active. Disposing the result stops it and waits for running handlers.</summary>
    Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct);
}
