using System.Runtime.CompilerServices;
using Dapr.AppCallback.Autogen.Grpc.v1;
using StackExchange.Redis;

namespace Conformance;

/// <summary>
/// The sidecar of the tests that need only its addresses. DAPR_GRPC_ENDPOINT, DAPR_HTTP_ENDPOINT, APP_PORT and REDIS_HOST give the addresses,
/// the port of the app and the Redis of the components of a running sidecar; without DAPR_GRPC_ENDPOINT the fixture starts one. The sidecar
/// has the components of the folder resources and the app id "app". All tests share its app, because a sidecar discovers subscriptions once.
/// </summary>
public sealed class AddressedSidecar : IAsyncLifetime
{
    public const string AppId = "app";

    private RedisServer? ownRedis;
    private Sidecar? own;
    private ConnectionMultiplexer redis = null!;

    private sealed record Addresses(string Grpc, string Http, int AppPort, string RedisHost);

    public Sidecar Sidecar { get; private set; } = null!;

    public TestApp App { get; private set; } = null!;

    /// <summary>Direct access to the data. May contain data of earlier runs.</summary>
    public IDatabase Redis => redis.GetDatabase();

    public async Task InitializeAsync()
    {
        var addresses = Environment.GetEnvironmentVariable("DAPR_GRPC_ENDPOINT") is { Length: > 0 } grpc
            ? new Addresses(grpc, Variable("DAPR_HTTP_ENDPOINT"), int.Parse(Variable("APP_PORT")), Variable("REDIS_HOST"))
            : await LaunchAsync();
        redis = await ConnectionMultiplexer.ConnectAsync(addresses.RedisHost);
        App = await TestApp.StartAsync(addresses.AppPort, Topics("pubsub").Concat(Topics("pubsub-in-memory")));
        Sidecar = Sidecar.At(AppId, addresses.Grpc, addresses.Http);
        if (own is not null)
        {
            await own.ReadyAsync();
            return;
        }

        await Sidecar.ServesAsync();
        await Poll.UntilAsync(async () => (await Sidecar.Dapr.GetMetadataAsync(new())).Subscriptions.Count >= App.Subscriptions.Count);
    }

    public async Task DisposeAsync()
    {
        // Dispose the started processes first: the rest may be null after a failed initialization.
        if (own is not null) await own.DisposeAsync();
        if (ownRedis is not null) await ownRedis.DisposeAsync();
        await Sidecar.DisposeAsync();
        await App.DisposeAsync();
        redis.Dispose();
    }

    private async Task<Addresses> LaunchAsync()
    {
        ownRedis = await RedisServer.StartAsync();
        var port = FreePort.Take();
        var components = string.Join("\n---\n", Directory.GetFiles(ResourcesFolder()).Select(File.ReadAllText));
        own = Sidecar.Launch(AppId, components, port, environment: new Dictionary<string, string> { ["REDIS_HOST"] = ownRedis.Address });
        return new Addresses(own.Address, own.Http.BaseAddress!.ToString(), port, ownRedis.Address);
    }

    private static string Variable(string name) =>
        Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"With DAPR_GRPC_ENDPOINT, {name} must be set too.");

    private static IEnumerable<TopicSubscription> Topics(string pubsub) =>
    [
        TestApp.Subscription(pubsub, "plain"),
        TestApp.Subscription(pubsub, "guarded", "dead"),
        TestApp.Subscription(pubsub, "dead"),
        TestApp.Subscription(pubsub, "raw", metadata: ("rawPayload", "true")),
        TestApp.BulkSubscription(pubsub, "batched"),
        TestApp.BulkSubscription(pubsub, "batched-guarded", "dead"),
        TestApp.BulkSubscription(pubsub, "batched-raw", metadata: ("rawPayload", "true")),
    ];

    private static string ResourcesFolder([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "resources");
}

/// <summary>These tests run sequentially because they share the sidecar and its app.</summary>
[CollectionDefinition(nameof(OnAddressedSidecar))]
public sealed class OnAddressedSidecar : ICollectionFixture<AddressedSidecar>;
