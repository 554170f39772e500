using Dapr.AppCallback.Autogen.Grpc.v1;
using Daprd.App;
using Daprd.Files;
using Daprd.Resiliency;
using Daprd.Tracing;
using Grpc.Core;

namespace Daprd.PubSub;

/// <summary>The subscriptions of an app: discovered once, started and stopped with the app's health.</summary>
internal sealed class Subscriptions(
    AppChannel app, string appApiToken, Publisher publisher, Resources resources, Spans spans, Action<string> warn, TimeProvider time) : IAsyncDisposable
{
    private const int DiscoveryRetries = 3;
    private static readonly TimeSpan FirstDiscoveryDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MaxDiscoveryDelay = TimeSpan.FromSeconds(1);

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
            if (!isAsked && await DiscoverAsync(ct) is { } programmatic) Known = Merge(programmatic);
            isAsked = true;
            foreach (var subscription in Known ?? [])
            {
                var policy = resources.Policies.ForDeliveriesOf(subscription.PubSubName);
                active.Add(await publisher.Find(subscription.PubSubName)!.SubscribeAsync(subscription, Handler(subscription, policy), ct));
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

    private MessageHandler Handler(Subscription subscription, Policy policy) => subscription.Bulk is { } bulk
        ? new BulkAccumulator(
            bulk,
            new BulkDelivery(subscription, app, appApiToken, publisher, policy, spans, warn, time).HandleAsync,
            HighResolutionTimeProvider.Instance).HandleAsync
        : new Delivery(subscription, app, appApiToken, publisher, policy, spans, warn, time).HandleAsync;

    /// <summary>A programmatic subscription overrides a declarative one to the same topic.</summary>
    private List<Subscription> Merge(List<Subscription> programmatic)
    {
        var merged = new List<Subscription>(programmatic);
        foreach (var declared in resources.Subscriptions.Select(f => f.Subscription))
        {
            if (!merged.Any(s => s.PubSubName == declared.PubSubName && s.Topic == declared.Topic)) merged.Add(declared);
        }

        return [.. merged.Where(CanServe)];
    }

    private bool CanServe(Subscription subscription)
    {
        var name = $"topic {subscription.Topic} of {subscription.PubSubName}";
        if (publisher.Find(subscription.PubSubName) is null)
        {
            warn($"{name} cannot be subscribed to: there is no such pubsub component");
            return false;
        }

        if (!publisher.MaySubscribe(subscription.PubSubName, subscription.Topic))
        {
            warn($"{name} cannot be subscribed to: its scopes do not allow it");
            return false;
        }

        if (subscription.Routes.Any(r => r.Match.Length > 0))
        {
            warn($"{name} cannot be subscribed to: routing by CEL expressions is not in this stand-in");
            return false;
        }

        return true;
    }

    /// <summary>Null if every attempt failed: then the app has no subscriptions, and discovery is not repeated.</summary>
    private async Task<List<Subscription>?> DiscoverAsync(CancellationToken ct)
    {
        var pause = FirstDiscoveryDelay;
        for (var retries = 0; ; retries++)
        {
            try
            {
                return [.. (await app.ListSubscriptionsAsync(ct)).Subscriptions.Select(Read)];
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

                await Task.Delay(pause, time, ct);
                pause = pause * 1.5 < MaxDiscoveryDelay ? pause * 1.5 : MaxDiscoveryDelay;
            }
        }
    }

    private static Subscription Read(TopicSubscription wanted)
    {
        var routes = new List<Route>((wanted.Routes?.Rules ?? []).Select(r => new Route(r.Match, r.Path)));
        if (wanted.Routes?.Default is { Length: > 0 } path) routes.Add(new Route("", path));
        if (routes.Count == 0) routes.Add(new Route("", ""));
        return new Subscription(
            wanted.PubsubName,
            wanted.Topic,
            new Dictionary<string, string>(wanted.Metadata),
            routes,
            wanted.DeadLetterTopic,
            wanted.BulkSubscribe is { Enabled: true } bulk ? BulkOptions.From(bulk.MaxMessagesCount, bulk.MaxAwaitDurationMs) : null,
            SubscriptionOrigin.Programmatic);
    }
}
