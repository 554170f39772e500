using System.Collections.Immutable;

namespace Daprd.PubSub;

/// <summary>
/// pubsub.in-memory: every subscription gets every event, one at a time and in order. An event without subscriber is lost, and a failed one
/// is not redelivered. Publishing blocks until the subscriber has handled the previous event.
/// </summary>
internal sealed class InMemoryPubSub(Action<string> warn) : IPubSub
{
    private readonly Lock gate = new();
    private ImmutableList<Subscriber> subscribers = [];

    public async Task PublishAsync(Message message)
    {
        foreach (var subscriber in subscribers)
        {
            if (subscriber.Topic == message.Topic) await subscriber.TakeAsync(message, warn);
        }
    }

    public Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct)
    {
        var subscriber = new Subscriber(subscription.Topic, handler, Forget);
        lock (gate) subscribers = subscribers.Add(subscriber);
        return Task.FromResult<IAsyncDisposable>(subscriber);
    }

    private void Forget(Subscriber subscriber)
    {
        lock (gate) subscribers = subscribers.Remove(subscriber);
    }

    private sealed class Subscriber(string topic, MessageHandler handler, Action<Subscriber> forget) : IAsyncDisposable
    {
        private readonly SemaphoreSlim turn = new(1, 1);
        private readonly CancellationTokenSource stopping = new();

        public string Topic => topic;

        public async Task TakeAsync(Message message, Action<string> warn)
        {
            await turn.WaitAsync();
            _ = Task.Run(async () =>
            {
                try
                {
                    if (!stopping.IsCancellationRequested) await handler(message, CancellationToken.None, stopping.Token);
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
