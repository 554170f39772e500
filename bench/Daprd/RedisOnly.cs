using Daprd.Redis;

namespace Bench;

/// <summary>The same operations on Redis without a sidecar.</summary>
internal sealed class RedisOnly(int port) : IAsyncDisposable
{
    private const int Keys = 1000;
    private static readonly RedisAddress Anonymous = new("127.0.0.1", 0, "", "", 0, Tls: false, TrustAnyCertificate: false, Timeout.InfiniteTimeSpan);

    private readonly RedisClient redis = new(Anonymous with { Port = port });

    public Task PublishAsync(int number) => redis.SendAsync("XADD", "direct", "*", "data", Event.Data(number));

    public Task ReadAsync(int number) => redis.SendAsync("HGETALL", $"direct-{number % Keys}");

    public Task WriteAsync(int number) => redis.SendAsync("HSET", $"direct-{number % Keys}", "data", Event.Data(number), "version", number);

    /// <summary>Reads and acknowledges events on its own connection until the result is disposed.</summary>
    public async Task<IAsyncDisposable> SubscribeAsync(Action<ReadOnlyMemory<byte>> onEvent)
    {
        await redis.SendAsync("DEL", "direct");
        await redis.SendAsync("XGROUP", "CREATE", "direct", "bench", "0", "MKSTREAM");
        var reader = await RedisConnection.OpenAsync(Anonymous with { Port = port }, Timeout.InfiniteTimeSpan, CancellationToken.None);
        return new Subscription(reader, ReadAsync(reader, onEvent));
    }

    public ValueTask DisposeAsync() => redis.DisposeAsync();

    private async Task ReadAsync(RedisConnection reader, Action<ReadOnlyMemory<byte>> onEvent)
    {
        while (!reader.IsBroken)
        {
            try
            {
                var reply = await reader.SendAsync("XREADGROUP", "GROUP", "bench", "bench", "COUNT", 100, "BLOCK", 0, "STREAMS", "direct", ">");
                foreach (var entry in reply.OrThrow().Items[0].Items[1].Items)
                {
                    onEvent(entry.Items[1].Items[1].Bytes);
                    _ = redis.SendAsync("XACK", "direct", "bench", entry.Items[0].Bytes);
                }
            }
            catch (RedisUnreachableException)
            {
                // The subscription was disposed.
            }
        }
    }

    private sealed class Subscription(RedisConnection reader, Task reading) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await reader.DisposeAsync();
            await reading;
        }
    }
}
