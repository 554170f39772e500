using System.Collections.Concurrent;
using System.Diagnostics;
using StackExchange.Redis;

namespace Bench;

/// <summary>Observes how orders end by reading the topics in Redis, outside of any consumer group: practically free for the system under test.</summary>
internal sealed class CompletionListener : IAsyncDisposable
{
    private static readonly string[] Topics = ["order-confirmed", "order-failed"];

    private readonly ConcurrentDictionary<string, TaskCompletionSource<(bool IsConfirmed, long At)>> completed = new();
    private readonly IConnectionMultiplexer redis;
    private readonly Task reading;
    private long confirmed;
    private long failed;

    private CompletionListener(IConnectionMultiplexer redis)
    {
        this.redis = redis;
        reading = Task.Run(ReadAsync);
    }

    public long Confirmed => Interlocked.Read(ref confirmed);

    public long Failed => Interlocked.Read(ref failed);

    /// <param name="redis">A connection of its own: its reads block. Closed with this.</param>
    public static CompletionListener Start(IConnectionMultiplexer redis) => new(redis);

    /// <summary>Waits for the final status of an order.</summary>
    /// <returns>When it was observed, a <see cref="Stopwatch"/> timestamp.</returns>
    public async Task<long> WaitAsync(string orderId) => (await WaitForEndAsync(orderId)).At;

    /// <summary>Waits for the final status of an order.</summary>
    /// <returns>Whether it was confirmed, and when that was observed, a <see cref="Stopwatch"/> timestamp.</returns>
    public async Task<(bool IsConfirmed, long At)> WaitForEndAsync(string orderId)
    {
        var end = await GetCompletion(orderId).Task;
        completed.TryRemove(orderId, out _);
        return end;
    }

    public async ValueTask DisposeAsync()
    {
        await redis.CloseAsync(allowCommandsToComplete: false);
        await reading;
        await redis.DisposeAsync();
    }

    private TaskCompletionSource<(bool IsConfirmed, long At)> GetCompletion(string orderId) =>
        completed.GetOrAdd(orderId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task ReadAsync()
    {
        // From the beginning: "$" would miss entries that are added between two reads.
        string[] after = ["0", "0"];
        var database = redis.GetDatabase();
        while (redis.IsConnected)
        {
            try
            {
                var reply = await database.ExecuteAsync("XREAD", "COUNT", 500, "BLOCK", 1000, "STREAMS", Topics[0], Topics[1], after[0], after[1]);
                if (reply.IsNull) continue;
                var now = Stopwatch.GetTimestamp();
                foreach (var stream in (RedisResult[])reply!)
                {
                    var topic = Array.IndexOf(Topics, (string)stream[0]!);
                    foreach (var entry in (RedisResult[])stream[1]!)
                    {
                        after[topic] = (string)entry[0]!;
                        if (!GetCompletion(ParseOrderId((RedisValue[])entry[1]!)).TrySetResult((topic == 0, now))) continue;
                        if (topic == 0) Interlocked.Increment(ref confirmed);
                        else Interlocked.Increment(ref failed);
                    }
                }
            }
            catch (Exception failure) when (failure is RedisException or ObjectDisposedException)
            {
                // Disposed.
            }
        }
    }

    /// <summary>An event id is the order id, a slash and the event name.</summary>
    private static string ParseOrderId(RedisValue[] fields)
    {
        const string Id = "\"id\":\"";
        var envelope = (string)fields[Array.IndexOf(fields, "data") + 1]!;
        var id = envelope.AsSpan(envelope.IndexOf(Id, StringComparison.Ordinal) + Id.Length);
        return id[..id.IndexOf('/')].ToString();
    }
}
