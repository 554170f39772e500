namespace Conformance;

/// <summary>A test class with a Redis of its own.</summary>
public abstract class OnOwnRedis : IAsyncLifetime
{
    protected RedisServer Redis { get; private set; } = null!;

    public async Task InitializeAsync() => Redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await Redis.DisposeAsync();

    protected string PubSub(params (string Name, string Value)[] metadata) => Yaml.Redis("pubsub", "pubsub.redis", Redis, metadata);
}
