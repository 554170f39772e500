using System.Collections.Immutable;

namespace Daprd.PubSub;

/// <summary>
/// pubsub.in-memory: every subscription gets every event, one at a time and in order. An event without subscriber is lost, and a failed one
/// is not redelivered. Publishing blocks until the subscriber has handled the previous event. A delivered event has the topic of the
/// subscription, which may be a pattern.
/// </summary>
internal sealed class InMemoryPubSub(Action<string> warn) : IPubSub
{
    private readonly Lock gate = new();
    private ImmutableList<Subscriber> subscribers = [];

    public async Task PublishAsync(Message message)
    {
        foreach (var subscriber in subscribers)
        {
            if (subscriber.Matches(message.Topic)) await subscriber.TakeAsync(message, warn);
        }
    }

    public async Task<IReadOnlyList<Exception?>> PublishManyAsync(IReadOnlyList<Message> messages)
    {
        await Task.WhenAll(messages.Select(PublishAsync));
        return new Exception?[messages.Count];
    }

    public Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct)
    {
        var subscriber = new Subscriber(subscription.Topic, handler, Forget);
        lock (gate) subscribers = subscribers.Add(subscriber);
        return Task.FromResult<IAsyncDisposable>(subscriber);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Forget(Subscriber subscriber)
    {
        lock (gate) subscribers = subscribers.Remove(subscriber);
    }

    private sealed class Subscriber(string topic, MessageHandler handler, Action<Subscriber> forget) : IAsyncDisposable
    {
        private readonly SemaphoreSlim turn = new(1, 1);
        private readonly CancellationTokenSource stopping = new();

        /// <summary>A topic that ends in * is a prefix of longer topics.</summary>
        public bool Matches(string published) =>
            topic.EndsWith('*')
                ? published.Length >= topic.Length && published.AsSpan().StartsWith(topic.AsSpan(0, topic.Length - 1), StringComparison.Ordinal)
                : published == topic;

        public async Task TakeAsync(Message message, Action<string> warn)
        {
            await turn.WaitAsync();
            _ = Task.Run(async () =>
            {
                try
                {
                    if (!stopping.IsCancellationRequested) await handler(message with { Topic = topic }, CancellationToken.None, stopping.Token);
                }
                catch (Exception failure)
                {
                    warn($"an event of topic {message.Topic} was not handled and is gone: {failure.Message}");
                }
                finally
                {
                    turn.Release();
                }
            });
        }

        public async ValueTask DisposeAsync()
        {
            forget(this);
            await stopping.CancelAsync();
            await turn.WaitAsync();
            turn.Release();
        }
    }
}
