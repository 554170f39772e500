using System.Collections.Concurrent;
using System.Threading.Channels;
using Daprd.Redis;

namespace Daprd.PubSub;

/// <summary>
/// Moves the messages of one topic from Redis to the workers. Three loops: one reads new messages, with blocking reads on its own
/// connection; one reclaims messages that a consumer read and did not acknowledge; from Dapr 1.19 on, one resets the idle time of the
/// messages held here so that they are not reclaimed.
/// </summary>
internal sealed class StreamConsumer(
    string topic, RedisClient redis, RedisPubSubSettings settings, MessageHandler handler, ChannelWriter<RedisDelivery> queue,
    Action<string> warn, TimeProvider time)
    : IAsyncDisposable
{
    private static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource closed = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<string, byte> held = new();
    private readonly Lock gate = new();
    private readonly TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RedisConnection? connection;
    private Task loops = Task.CompletedTask;
    private int running;

    public MessageHandler Handler => handler;

    /// <summary>Cancelled when no more messages may be delivered.</summary>
    public CancellationToken Closed => closed.Token;

    /// <summary>Completes when the consumer group exists; retries while Redis is unreachable.</summary>
    public async Task StartAsync(CancellationToken ct)
    {
        while (!await TryCreateGroupAsync()) await Task.Delay(ReconnectDelay, time, ct);
        // These run until DisposeAsync, not only until the start is over.
        var untilDisposed = CancellationToken.None;
        loops = Task.WhenAll(Task.Run(ReadAsync, untilDisposed), Task.Run(ReclaimAsync, untilDisposed), Task.Run(KeepAliveAsync, untilDisposed));
    }

    /// <summary>Counts a message as running until the result is disposed; null if the subscription is stopped and the message must not be handled.</summary>
    public Work? Begin()
    {
        lock (gate)
        {
            if (closed.IsCancellationRequested) return null;
            running++;
            return new Work(this);
        }
    }

    /// <summary>The message is no longer held by the queue or a worker.</summary>
    public void Release(string id) => held.TryRemove(id, out _);

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            closed.Cancel();
            if (running == 0) idle.TrySetResult();
        }

        try
        {
            await idle.Task.WaitAsync(DrainTimeout, time);
        }
        catch (TimeoutException)
        {
            warn($"topic {topic}: handlers are still busy {DrainTimeout.TotalSeconds} s after the subscription was stopped");
        }

        // The reader stops last. As in daprd, messages read in the meantime are not delivered and stay pending.
        await stopping.CancelAsync();
        if (this.connection is { } connection) await connection.DisposeAsync();
        await loops;
    }

    private void End()
    {
        lock (gate)
        {
            if (--running == 0 && closed.IsCancellationRequested) idle.TrySetResult();
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
                    // A blocking read has no timeout.
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
                await DelayAsync(ReconnectDelay);
            }
            catch (Exception)
            {
                // Stopping closes the connection during a blocking read.
            }
        }
    }

    private async Task ReclaimAsync()
    {
        if (!settings.Reclaims) return;
        while (!stopping.IsCancellationRequested)
        {
            await AttemptAsync(ReclaimOnceAsync);
            await DelayAsync(settings.RedeliverInterval);
        }
    }

    private async Task KeepAliveAsync()
    {
        if (settings.KeepAliveInterval <= TimeSpan.Zero) return;
        while (!stopping.IsCancellationRequested)
        {
            await DelayAsync(settings.KeepAliveInterval);
            await AttemptAsync(KeepAliveOnceAsync);
        }
    }

    /// <summary>XCLAIM of a message by its owner resets its idle time; with JUSTID it does not count as a delivery.</summary>
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
                // The entry was trimmed from the stream while it was pending.
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
            if (!stopping.IsCancellationRequested && !failure.Message.StartsWith("NOGROUP", StringComparison.Ordinal))
            {
                warn($"topic {topic}: {failure.Message}");
            }
        }
    }

    private async Task DelayAsync(TimeSpan pause)
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
