using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Daprd.Redis;

namespace Bench;

/// <summary>Observes how orders end by reading the topics in Redis, outside of any consumer group: practically free for the system under test.</summary>
internal sealed class CompletionListener : IAsyncDisposable
{
    private static readonly string[] Topics = ["order-confirmed", "order-failed"];

    private readonly ConcurrentDictionary<string, TaskCompletionSource<long>> completed = new();
    private readonly RedisConnection redis;
    private readonly Task reading;
    private long confirmed;
    private long failed;

    private CompletionListener(RedisConnection redis)
    {
        this.redis = redis;
        reading = Task.Run(ReadAsync);
    }

    public long Confirmed => Interlocked.Read(ref confirmed);

    public long Failed => Interlocked.Read(ref failed);

    public static async Task<CompletionListener> StartAsync(RedisAddress address) =>
        new(await RedisConnection.OpenAsync(address, Timeout.InfiniteTimeSpan, CancellationToken.None));

    /// <summary>Waits for the final status of an order.</summary>
    /// <returns>When it was observed, a <see cref="Stopwatch"/> timestamp.</returns>
    public async Task<long> WaitAsync(string orderId)
    {
        var end = GetCompletion(orderId);
        var at = await end.Task;
        completed.TryRemove(orderId, out _);
        return at;
    }

    public async ValueTask DisposeAsync()
    {
        await redis.DisposeAsync();
        await reading;
    }

    private TaskCompletionSource<long> GetCompletion(string orderId) =>
        completed.GetOrAdd(orderId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task ReadAsync()
    {
        // From the beginning: "$" would miss entries that are added between two reads.
        string[] after = ["0", "0"];
        while (!redis.IsBroken)
        {
            try
            {
                var reply = (await redis.SendAsync("XREAD", "COUNT", 500, "BLOCK", 0, "STREAMS", Topics[0], Topics[1], after[0], after[1])).OrThrow();
                var now = Stopwatch.GetTimestamp();
                foreach (var stream in reply.Items)
                {
                    var topic = Array.IndexOf(Topics, Encoding.UTF8.GetString(stream.Items[0].Bytes));
                    foreach (var entry in stream.Items[1].Items)
                    {
                        after[topic] = Encoding.UTF8.GetString(entry.Items[0].Bytes);
                        if (!GetCompletion(ParseOrderId(entry.Items[1].Items)).TrySetResult(now)) continue;
                        if (topic == 0) Interlocked.Increment(ref confirmed);
                        else Interlocked.Increment(ref failed);
                    }
                }
            }
            catch (RedisUnreachableException)
            {
                // Disposed.
            }
        }
    }

    /// <summary>An event id is the order id, a slash and the event name.</summary>
    private static string ParseOrderId(RedisReply[] fields)
    {
        for (var at = 0; at + 1 < fields.Length; at += 2)
        {
            if (!fields[at].Bytes.AsSpan().SequenceEqual("data"u8)) continue;
            var envelope = fields[at + 1].Bytes.AsSpan();
            var id = envelope[(envelope.IndexOf("\"id\":\""u8) + 6)..];
            return Encoding.UTF8.GetString(id[..id.IndexOf((byte)'/')]);
        }
        throw new InvalidOperationException("An event without data.");
    }
}
