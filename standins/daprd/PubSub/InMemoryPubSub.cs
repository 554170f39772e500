using System.Collections.Immutable;

namespace Daprd.PubSub;

/// <summary>
/// pubsub.in-memory: every subscription gets every event, one at a time and in order; without a subscriber an event is gone,
/// and a failed one is not delivered again. Publishing waits until the subscriber is done with the event before. What is delivered
/// names the topic as it was subscribed to.
/// </summary>
internal sealed class InMemoryPubSub(Action<string> warn) : IPubSub
{
    private readonly Lock gate = new();
    private ImmutableList<Subscriber> subscribers = [];

    public async Task PublishAsync(Message message)
    {
        foreach (var subscriber in subscribers)
        {
            if (subscriber.Hears(message.Topic)) await subscriber.TakeAsync(message, warn);
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

        /// <summary>A topic that ends in * is a prefix, of what is longer.</summary>
        public bool Hears(string published) =>
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
