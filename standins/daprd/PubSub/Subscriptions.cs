using Daprd.App;
using Daprd.Files;
using Daprd.Resiliency;
using Daprd.Tracing;
using Grpc.Core;

namespace Daprd.PubSub;

/// <summary>The subscriptions of an app: discovered once, started and stopped with the app's health.</summary>
internal sealed class Subscriptions(
    AppChannel app, string appApiToken, Publisher publisher, Resources resources, Spans spans, Action<string> warn) : IAsyncDisposable
{
    private const int DiscoveryRetries = 3;
    private static readonly TimeSpan DiscoveryDelay = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly List<IAsyncDisposable> active = [];
    private bool isAsked;

    /// <summary>Null before discovery and if discovery has failed.</summary>
    public IReadOnlyList<Subscription>? Known { get; private set; }

    public async Task StartAsync(CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            if (!isAsked) Known = await DiscoverAsync(ct);
            isAsked = true;
            foreach (var subscription in Known ?? [])
            {
                active.Add(await publisher.Find(subscription.PubSubName)!.SubscribeAsync(subscription, Handler(subscription), ct));
            }
        }
        finally
        {
            gate.Release();
        }
    }

    public async Task StopAsync()
    {
        await gate.WaitAsync();
        try
        {
            await Task.WhenAll(active.Select(a => a.DisposeAsync().AsTask()));
            active.Clear();
        }
        finally
        {
            gate.Release();
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private MessageHandler Handler(Subscription subscription)
    {
        var policy = resources.Policies.Select(file => file.Deliveries.GetValueOrDefault(subscription.PubSubName)).FirstOrDefault(found => found is not null);
        var delivery = new Delivery(subscription, app, appApiToken, publisher, policy ?? DeliveryPolicy.None, spans, warn);
        return subscription.Bulk is { } bulk ? new BulkAccumulator(bulk, new BulkDelivery(delivery).HandleAsync).HandleAsync : delivery.HandleAsync;
    }

    private bool CanServe(Subscription subscription)
    {
        var problem = publisher.Find(subscription.PubSubName) is null ? "there is no such pubsub component"
            : publisher.MaySubscribe(subscription.PubSubName, subscription.Topic) ? null
            : "its scopes do not allow it";
        if (problem is not null) warn($"topic {subscription.Topic} of {subscription.PubSubName} cannot be subscribed to: {problem}");
        return problem is null;
    }

    /// <summary>Null if every attempt failed: then the app has no subscriptions, and discovery is not repeated.</summary>
    private async Task<List<Subscription>?> DiscoverAsync(CancellationToken ct)
    {
        for (var retries = 0; ; retries++)
        {
            try
            {
                var found = new List<Subscription>();
                foreach (var wanted in (await app.ListSubscriptionsAsync(ct)).Subscriptions)
                {
                    if (Subscription.From(wanted) is not { } subscription)
                    {
                        warn($"topic {wanted.Topic} of {wanted.PubsubName} cannot be subscribed to: routing by CEL expressions is not in this stand-in");
                    }
                    else if (CanServe(subscription)) found.Add(subscription);
                }

                return found;
            }
            catch (RpcException none) when (none.StatusCode == StatusCode.Unimplemented)
            {
                return [];
            }
            catch (RpcException failure) when (!ct.IsCancellationRequested)
            {
                if (retries == DiscoveryRetries)
                {
                    warn($"failed to subscribe to topics: the app does not say which it wants: {failure.Status.Detail}");
                    return null;
                }

                await Task.Delay(DiscoveryDelay * Math.Pow(1.5, retries), ct);
            }
        }
    }
}
