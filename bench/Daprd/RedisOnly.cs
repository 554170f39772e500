using StackExchange.Redis;

namespace Bench;

/// <summary>The same operations on Redis without a sidecar.</summary>
internal sealed class RedisOnly : IAsyncDisposable
{
    private const int Keys = 1000;

    private readonly int port;
    private readonly IConnectionMultiplexer connection;
    private readonly IDatabase redis;

    private RedisOnly(int port, IConnectionMultiplexer connection)
    {
        this.port = port;
        this.connection = connection;
        redis = connection.GetDatabase();
    }

    public static async Task<RedisOnly> StartAsync(int port) => new(port, await ConnectAsync(port));

    public Task PublishAsync(int number) => redis.StreamAddAsync("direct", "data", Event.Data(number));

    public Task ReadAsync(int number) => redis.HashGetAllAsync($"direct-{number % Keys}");

    public Task WriteAsync(int number) => redis.HashSetAsync($"direct-{number % Keys}", [new("data", Event.Data(number)), new("version", number)]);

    /// <summary>Reads and acknowledges events on its own connection until the result is disposed.</summary>
    public async Task<IAsyncDisposable> SubscribeAsync(Action<ReadOnlyMemory<byte>> onEvent)
    {
        await redis.KeyDeleteAsync("direct");
        await redis.StreamCreateConsumerGroupAsync("direct", "bench", StreamPosition.Beginning, createStream: true);
        var reader = await ConnectAsync(port);
        return new Subscription(reader, ReadAsync(reader, onEvent));
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static async Task<IConnectionMultiplexer> ConnectAsync(int port) =>
        await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{port},asyncTimeout=30000,protocol=resp2");

    private async Task ReadAsync(IConnectionMultiplexer reader, Action<ReadOnlyMemory<byte>> onEvent)
    {
        var blocking = reader.GetDatabase();
        while (reader.IsConnected)
        {
            try
            {
                var reply = await blocking.ExecuteAsync("XREADGROUP", "GROUP", "bench", "bench", "COUNT", 100, "BLOCK", 1000, "STREAMS", "direct", ">");
                if (reply.IsNull) continue;
                foreach (var entry in (RedisResult[])reply[0][1]!)
                {
                    onEvent((byte[])entry[1][1]!);
                    _ = redis.StreamAcknowledgeAsync("direct", "bench", (string)entry[0]!);
                }
            }
            catch (Exception failure) when (failure is RedisException or ObjectDisposedException)
            {
                // The subscription was disposed.
            }
        }
    }

    private sealed class Subscription(IConnectionMultiplexer reader, Task reading) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await reader.CloseAsync(allowCommandsToComplete: false);
            await reading;
            await reader.DisposeAsync();
        }
    }
}
