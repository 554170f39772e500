using StackExchange.Redis;

namespace Conformance;

/// <summary>
/// A sidecar for many tests, with the app id "app" and components on Redis and in memory. All tests share its app, because a sidecar discovers
/// subscriptions once.
/// </summary>
public sealed class SharedSidecar : IAsyncLifetime
{
    public const string AppId = "app";

    private RedisServer redis = null!;

    public Sidecar Sidecar { get; private set; } = null!;

    public TestApp App { get; private set; } = null!;

    /// <summary>Direct access to the data.</summary>
    public IDatabase Redis => redis.Database;

    public async Task InitializeAsync()
    {
        redis = await RedisServer.StartAsync();
        App = await TestApp.StartAsync(((string[])["pubsub", "pubsub-in-memory"]).SelectMany(pubsub => new[]
        {
            TestApp.Subscription(pubsub, "plain"),
            TestApp.Subscription(pubsub, "guarded", "dead"),
            TestApp.Subscription(pubsub, "dead"),
            TestApp.Subscription(pubsub, "raw", metadata: ("rawPayload", "true")),
            TestApp.BulkSubscription(pubsub, "batched"),
            TestApp.BulkSubscription(pubsub, "batched-guarded", "dead"),
            TestApp.BulkSubscription(pubsub, "batched-raw", metadata: ("rawPayload", "true")),
        }));
        var components = Yaml.Component("pubsub-in-memory", "pubsub.in-memory") + Yaml.Component("store-in-memory", "state.in-memory")
            + PubSub("pubsub") + PubSub("trimmed", ("maxLenApprox", "1")) + PubSub("scoped", ("publishingScopes", "app=mine;other=theirs"))
            + PubSub("silenced", ("publishingScopes", "app="))
            + Store("store") + Store("bare", ("keyPrefix", "none")) + Store("named", ("keyPrefix", "name")) + Store("custom", ("KeyPrefix", "Mine"))
            + Store("fleeting", ("ttlInSeconds", "100"));
        Sidecar = await Sidecar.StartAsync(AppId, components, App.Port);
    }

    public async Task DisposeAsync()
    {
        await Sidecar.DisposeAsync();
        await App.DisposeAsync();
        await redis.DisposeAsync();
    }

    private string PubSub(string name, params (string, string)[] metadata) => Yaml.Redis(name, "pubsub.redis", redis, metadata);

    private string Store(string name, params (string, string)[] metadata) => Yaml.Redis(name, "state.redis", redis, metadata);
}

/// <summary>These tests run sequentially because they share the sidecar and its app.</summary>
[CollectionDefinition(nameof(OnSharedSidecar))]
public sealed class OnSharedSidecar : ICollectionFixture<SharedSidecar>;
