using System.Collections.Immutable;

namespace Daprd.PubSub;

/// <summary>
/// pubsub.in-memory: every subscription gets every event, one at a time and in order; instances of one app take turns. An event without subscriber is
/// lost, and a failed one is not redelivered. Publishing blocks until the subscriber has handled the previous event.
/// </summary>
internal sealed class InMemoryPubSub(Action<string> warn)
{
    private readonly Lock gate = new();
    private ImmutableList<Subscriber> subscribers = [];
    private uint turn;

    /// <summary>The broker as an instance of an app uses it.</summary>
    public IPubSub For(string appId) => new Instance(this, appId);

    private async Task PublishAsync(Message message)
    {
        foreach (var app in subscribers.Where(subscriber => subscriber.Topic == message.Topic).GroupBy(subscriber => subscriber.Instance.AppId))
        {
            IGrouping<Instance, Subscriber>[] instances = [.. app.GroupBy(subscriber => subscriber.Instance)];
            foreach (var subscriber in instances[Interlocked.Increment(ref turn) % instances.Length]) await subscriber.TakeAsync(message, warn);
        }
    }

    private Subscriber Subscribe(Instance instance, Subscription subscription, MessageHandler handler)
    {
        var subscriber = new Subscriber(instance, subscription.Topic, handler, Forget);
        lock (gate) subscribers = subscribers.Add(subscriber);
        return subscriber;
    }

    private void Forget(Subscriber subscriber)
    {
        lock (gate) subscribers = subscribers.Remove(subscriber);
    }

    private sealed class Instance(InMemoryPubSub broker, string appId) : IPubSub
    {
        public string AppId => appId;

        public Task PublishAsync(Message message) => broker.PublishAsync(message);

        public Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct) =>
            Task.FromResult<IAsyncDisposable>(broker.Subscribe(this, subscription, handler));
    }

    private sealed class Subscriber(Instance instance, string topic, MessageHandler handler, Action<Subscriber> forget) : IAsyncDisposable
    {
        private readonly SemaphoreSlim turn = new(1, 1);
        private readonly CancellationTokenSource stopping = new();

        public Instance Instance => instance;

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
