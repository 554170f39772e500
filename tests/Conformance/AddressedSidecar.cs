using System.Runtime.CompilerServices;
using Dapr.AppCallback.Autogen.Grpc.v1;
using StackExchange.Redis;

namespace Conformance;

/// <summary>
/// The sidecar of all tests that need no more than its addresses. DAPR_GRPC_ENDPOINT, DAPR_HTTP_ENDPOINT, APP_PORT and REDIS_HOST tell them,
/// the port on which it expects its app, and the Redis of its components; without DAPR_GRPC_ENDPOINT one is started here. It has the
/// components of the folder resources and the app id "app". Its app is one for all tests, since a sidecar asks only once what its app hears.
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

    /// <summary>An independent look at what is stored. It may hold what earlier runs have left.</summary>
    public IDatabase Redis => redis.GetDatabase();

    public async Task InitializeAsync()
    {
        var addresses = Environment.GetEnvironmentVariable("DAPR_GRPC_ENDPOINT") is { Length: > 0 } grpc
            ? new Addresses(grpc, Told("DAPR_HTTP_ENDPOINT"), int.Parse(Told("APP_PORT")), Told("REDIS_HOST"))
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
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await Sidecar.Dapr.GetMetadataAsync(new())).Subscriptions.Count < App.Subscriptions.Count) limit.Token.ThrowIfCancellationRequested();
    }

    public async Task DisposeAsync()
    {
        // What was started first of all, so that none of it stays when the rest could not be.
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

    private static string Told(string name) =>
        Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"With DAPR_GRPC_ENDPOINT, {name} must be set too.");

    private static IEnumerable<TopicSubscription> Topics(string pubsub) =>
    [
        TestApp.Wants(pubsub, "plain"),
        TestApp.Wants(pubsub, "guarded", "dead"),
        TestApp.Wants(pubsub, "dead"),
        TestApp.Wants(pubsub, "raw", metadata: ("rawPayload", "true")),
        TestApp.WantsInBulk(pubsub, "batched"),
        TestApp.WantsInBulk(pubsub, "batched-guarded", "dead"),
        TestApp.WantsInBulk(pubsub, "batched-raw", metadata: ("rawPayload", "true")),
    ];

    private static string ResourcesFolder([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "resources");
}

/// <summary>Of these tests one runs at a time: they share the sidecar, and its app.</summary>
[CollectionDefinition(Name)]
public sealed class AddressedSidecarCollection : ICollectionFixture<AddressedSidecar>
{
    public const string Name = "by the address of a sidecar";
}
