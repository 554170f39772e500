using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Daprd.Redis;

namespace Bench;

/// <summary>Hears how orders end, from the topics themselves: a reader beside the system, which costs it next to nothing.</summary>
internal sealed class Finals : IAsyncDisposable
{
    private static readonly string[] Topics = ["order-confirmed", "order-failed"];

    private readonly ConcurrentDictionary<string, TaskCompletionSource<long>> ends = new();
    private readonly RedisConnection redis;
    private readonly Task reading;
    private long confirmed;
    private long failed;

    private Finals(RedisConnection redis)
    {
        this.redis = redis;
        reading = Task.Run(ReadAsync);
    }

    public long Confirmed => Interlocked.Read(ref confirmed);

    public long Failed => Interlocked.Read(ref failed);

    public static async Task<Finals> HearAsync(RedisAddress address) =>
        new(await RedisConnection.OpenAsync(address, Timeout.InfiniteTimeSpan, CancellationToken.None));

    /// <summary>When the order ended, in ticks of the stopwatch.</summary>
    public async Task<long> EndAsync(string orderId)
    {
        var end = EndOf(orderId);
        var at = await end.Task;
        ends.TryRemove(orderId, out _);
        return at;
    }

    public async ValueTask DisposeAsync()
    {
        await redis.DisposeAsync();
        await reading;
    }

    private TaskCompletionSource<long> EndOf(string orderId) => ends.GetOrAdd(orderId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task ReadAsync()
    {
        string[] after = ["$", "$"];
        while (!redis.IsBroken)
        {
            try
            {
                // $ means: from now; that is asked once, or what comes between two reads would be missed.
                for (var at = 0; at < after.Length; at++) if (after[at] == "$") after[at] = "0";
                var reply = (await redis.SendAsync("XREAD", "COUNT", 500, "BLOCK", 0, "STREAMS", Topics[0], Topics[1], after[0], after[1])).OrThrow();
                var now = Stopwatch.GetTimestamp();
                foreach (var stream in reply.Items)
                {
                    var topic = Array.IndexOf(Topics, Encoding.UTF8.GetString(stream.Items[0].Bytes));
                    foreach (var entry in stream.Items[1].Items)
                    {
                        after[topic] = Encoding.UTF8.GetString(entry.Items[0].Bytes);
                        if (!EndOf(OrderOf(entry.Items[1].Items)).TrySetResult(now)) continue;
                        if (topic == 0) Interlocked.Increment(ref confirmed);
                        else Interlocked.Increment(ref failed);
                    }
                }
            }
            catch (RedisUnreachableException)
            {
                // Hearing was ended.
            }
        }
    }

    /// <summary>The event's id is the order's, a slash and the event's name.</summary>
    private static string OrderOf(RedisReply[] fields)
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
