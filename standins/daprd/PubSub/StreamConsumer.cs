using System.Collections.Concurrent;
using System.Threading.Channels;
using Daprd.Redis;

namespace Daprd.PubSub;

/// <summary>
/// One topic's way from Redis to the workers: a loop that reads what is new, on a connection of its own because it blocks there,
/// a loop that takes back what was read by somebody who never finished it, and, from Dapr 1.19 on, one that keeps what is held here
/// from looking abandoned.
/// </summary>
internal sealed class StreamConsumer(
    string topic, RedisClient redis, RedisPubSubSettings settings, MessageHandler handler, ChannelWriter<RedisDelivery> queue, Action<string> warn, TimeProvider time)
    : IAsyncDisposable
{
    private static readonly TimeSpan ReconnectPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource closed = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<string, byte> held = new();
    private readonly Lock gate = new();
    private readonly TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RedisConnection? connection;
    private Task loops = Task.CompletedTask;
    private int underWay;

    public MessageHandler Handler => handler;

    /// <summary>Ends when nothing more is to be delivered.</summary>
    public CancellationToken Closed => closed.Token;

    /// <summary>Completes when the consumer group exists; a Redis that is away is waited for.</summary>
    public async Task StartAsync(CancellationToken ct)
    {
        while (!await TryCreateGroupAsync()) await Task.Delay(ReconnectPause, time, ct);
        loops = Task.WhenAll(Task.Run(ReadAsync), Task.Run(ReclaimAsync), Task.Run(KeepAliveAsync));
    }

    /// <summary>Marks a message as under way until disposed; null when the subscription is stopped and the message must be left alone.</summary>
    public Work? Begin()
    {
        lock (gate)
        {
            if (closed.IsCancellationRequested) return null;
            underWay++;
            return new Work(this);
        }
    }

    /// <summary>The message has left the queue and its worker, whatever became of it.</summary>
    public void Release(string id) => held.TryRemove(id, out _);

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            closed.Cancel();
            if (underWay == 0) idle.TrySetResult();
        }

        try
        {
            await idle.Task.WaitAsync(DrainLimit, time);
        }
        catch (TimeoutException)
        {
            warn($"topic {topic}: handlers are still busy {DrainLimit.TotalSeconds} s after the subscription was stopped");
        }

        // The reader ends last. What it has read since then is delivered by nobody, and stays pending: so it is in daprd.
        await stopping.CancelAsync();
        if (this.connection is { } connection) await connection.DisposeAsync();
        await loops;
    }

    private void End()
    {
        lock (gate)
        {
            if (--underWay == 0 && closed.IsCancellationRequested) idle.TrySetResult();
        }
    }

    private async Task<bool> TryCreateGroupAsync()
    {
        try
        {
            await CreateGroupAsync();
            return true;
        }
        catch (RedisUnreachableException away)
        {
            warn($"topic {topic} cannot be subscribed to yet: {away.Message}");
            return false;
        }
    }

    private async Task CreateGroupAsync()
    {
        try
        {
            await redis.SendAsync("XGROUP", "CREATE", topic, settings.Group, "0", "MKSTREAM");
        }
        catch (RedisException exists) when (exists.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal))
        {
        }
    }

    private async Task ReadAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (connection is not { IsBroken: false })
                {
                    // A blocked read may take as long as nothing is published.
                    connection = await RedisConnection.OpenAsync(redis.Address, Timeout.InfiniteTimeSpan, stopping.Token);
                    if (stopping.IsCancellationRequested) await connection.DisposeAsync();
                }

                var reply = await connection.SendAsync(
                    "XREADGROUP", "GROUP", settings.Group, settings.Group, "COUNT", settings.QueueDepth,
                    "BLOCK", (long)settings.ReadTimeout.TotalMilliseconds, "STREAMS", topic, ">");
                if (!reply.OrThrow().IsNull) await EnqueueAsync(reply.Items[0].Items[1].Items);
            }
            catch (RedisException gone) when (gone.Message.StartsWith("NOGROUP", StringComparison.Ordinal))
            {
                await AttemptAsync(CreateGroupAsync);
            }
            catch (Exception failure) when (!stopping.IsCancellationRequested)
            {
                warn($"topic {topic} cannot be read: {failure.Message}");
                await PauseAsync(ReconnectPause);
            }
            catch (Exception)
            {
                // Stopping closes the connection under a blocked read.
            }
        }
    }

    private async Task ReclaimAsync()
    {
        if (!settings.Reclaims) return;
        while (!stopping.IsCancellationRequested)
        {
            await AttemptAsync(ReclaimOnceAsync);
            await PauseAsync(settings.RedeliverInterval);
        }
    }

    private async Task KeepAliveAsync()
    {
        if (settings.KeepAliveInterval <= TimeSpan.Zero) return;
        while (!stopping.IsCancellationRequested)
        {
            await PauseAsync(settings.KeepAliveInterval);
            await AttemptAsync(KeepAliveOnceAsync);
        }
    }

    /// <summary>Claiming what one owns already resets its idle time; with JUSTID it does not count as a delivery.</summary>
    private async Task KeepAliveOnceAsync()
    {
        RedisArgument[] held = [.. this.held.Keys];
        if (held.Length > 0) await redis.SendAsync(["XCLAIM", topic, settings.Group, settings.Group, 0, .. held, "JUSTID"]);
    }

    private async Task ReclaimOnceAsync()
    {
        var idleMs = (long)settings.ProcessingTimeout.TotalMilliseconds;
        while (!stopping.IsCancellationRequested)
        {
            var pending = await redis.SendAsync("XPENDING", topic, settings.Group, "-", "+", settings.QueueDepth);
            var old = pending.Items.Where(p => p.Items[2].Integer >= idleMs).Select(p => (RedisArgument)p.Items[0].Bytes).ToList();
            if (old.Count == 0) return;
            var claimed = await redis.SendAsync(["XCLAIM", topic, settings.Group, settings.Group, idleMs, .. old]);
            if (claimed.Items.Length == 0) return;
            await EnqueueAsync(claimed.Items);
        }
    }

    private async Task EnqueueAsync(RedisReply[] entries)
    {
        foreach (var entry in entries)
        {
            if (entry.IsNull) continue;
            var id = entry.Items[0].ToString();
            if (entry.Items[1].IsNull)
            {
                // Trimmed away while it was pending: there is nothing left to deliver.
                await redis.SendAsync("XACK", topic, settings.Group, id);
                continue;
            }

            held[id] = 0;
            await queue.WriteAsync(new RedisDelivery(this, id, Read(entry.Items[1].Items)), stopping.Token);
        }
    }

    private Message Read(RedisReply[] fields)
    {
        byte[] data = [];
        IReadOnlyDictionary<string, string>? metadata = null;
        for (var i = 0; i + 1 < fields.Length; i += 2)
        {
            var name = fields[i].Bytes.AsSpan();
            if (name.SequenceEqual("data"u8)) data = fields[i + 1].Bytes;
            else if (name.SequenceEqual("metadata"u8)) metadata = MessageMetadata.FromJson(fields[i + 1].Bytes);
        }

        return new Message(topic, data, metadata);
    }

    private async Task AttemptAsync(Func<Task> step)
    {
        try
        {
            await step();
        }
        catch (Exception failure)
        {
            if (!stopping.IsCancellationRequested && !failure.Message.StartsWith("NOGROUP", StringComparison.Ordinal)) warn($"topic {topic}: {failure.Message}");
        }
    }

    private async Task PauseAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, time, stopping.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    internal sealed class Work(StreamConsumer consumer) : IDisposable
    {
        public void Dispose() => consumer.End();
    }
}
