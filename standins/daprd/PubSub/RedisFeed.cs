using System.Collections.Concurrent;
using System.Threading.Channels;
using Daprd.Redis;

namespace Daprd.PubSub;

/// <summary>
/// One topic's way from Redis to the workers: a loop that reads what is new, on a connection of its own because it blocks there,
/// a loop that takes back what was read by somebody who never finished it, and, from Dapr 1.19 on, one that keeps what is held here
/// from looking abandoned.
/// </summary>
internal sealed class RedisFeed(
    string topic, RedisClient redis, RedisPubSubSettings settings, MessageHandler handler, ChannelWriter<RedisDelivery> queue, Action<string> warn, TimeProvider time)
    : IAsyncDisposable
{
    private static readonly TimeSpan ReconnectPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _closed = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<string, byte> _held = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RedisConnection? _connection;
    private Task _loops = Task.CompletedTask;
    private int _underWay;

    public MessageHandler Handler => handler;

    /// <summary>Ends when nothing more is to be delivered.</summary>
    public CancellationToken Closed => _closed.Token;

    /// <summary>Completes when the consumer group exists; a Redis that is away is waited for.</summary>
    public async Task StartAsync(CancellationToken stop)
    {
        while (!await TryCreateGroupAsync()) await Task.Delay(ReconnectPause, time, stop);
        _loops = Task.WhenAll(Task.Run(ReadAsync), Task.Run(ReclaimAsync), Task.Run(KeepAliveAsync));
    }

    /// <summary>Marks a message as under way until disposed; null when the subscription is stopped and the message must be left alone.</summary>
    public Work? Begin()
    {
        lock (_gate)
        {
            if (_closed.IsCancellationRequested) return null;
            _underWay++;
            return new Work(this);
        }
    }

    /// <summary>The message has left the queue and its worker, whatever became of it.</summary>
    public void Release(string id) => _held.TryRemove(id, out _);

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closed.Cancel();
            if (_underWay == 0) _idle.TrySetResult();
        }

        try
        {
            await _idle.Task.WaitAsync(DrainLimit, time);
        }
        catch (TimeoutException)
        {
            warn($"topic {topic}: handlers are still busy {DrainLimit.TotalSeconds} s after the subscription was stopped");
        }

        // The reader ends last. What it has read since then is delivered by nobody, and stays pending: so it is in daprd.
        await _stopping.CancelAsync();
        if (_connection is { } connection) await connection.DisposeAsync();
        await _loops;
    }

    private void End()
    {
        lock (_gate)
        {
            if (--_underWay == 0 && _closed.IsCancellationRequested) _idle.TrySetResult();
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
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                if (_connection is not { IsBroken: false })
                {
                    // A blocked read may take as long as nothing is published.
                    _connection = await RedisConnection.OpenAsync(redis.Address, Timeout.InfiniteTimeSpan, _stopping.Token);
                    if (_stopping.IsCancellationRequested) await _connection.DisposeAsync();
                }

                var reply = await _connection.SendAsync(
                    "XREADGROUP", "GROUP", settings.Group, settings.Group, "COUNT", settings.QueueDepth,
                    "BLOCK", (long)settings.ReadTimeout.TotalMilliseconds, "STREAMS", topic, ">");
                if (!reply.OrThrow().IsNull) await EnqueueAsync(reply.Items[0].Items[1].Items);
            }
            catch (RedisException gone) when (gone.Message.StartsWith("NOGROUP", StringComparison.Ordinal))
            {
                await AttemptAsync(CreateGroupAsync);
            }
            catch (Exception failure) when (!_stopping.IsCancellationRequested)
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
        while (!_stopping.IsCancellationRequested)
        {
            await AttemptAsync(ReclaimOnceAsync);
            await PauseAsync(settings.RedeliverInterval);
        }
    }

    private async Task KeepAliveAsync()
    {
        if (settings.KeepAliveInterval <= TimeSpan.Zero) return;
        while (!_stopping.IsCancellationRequested)
        {
            await PauseAsync(settings.KeepAliveInterval);
            await AttemptAsync(KeepAliveOnceAsync);
        }
    }

    /// <summary>Claiming what one owns already resets its idle time; with JUSTID it does not count as a delivery.</summary>
    private async Task KeepAliveOnceAsync()
    {
        RedisArgument[] held = [.. _held.Keys];
        if (held.Length > 0) await redis.SendAsync(["XCLAIM", topic, settings.Group, settings.Group, 0, .. held, "JUSTID"]);
    }

    private async Task ReclaimOnceAsync()
    {
        var idleMs = (long)settings.ProcessingTimeout.TotalMilliseconds;
        while (!_stopping.IsCancellationRequested)
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

            _held[id] = 0;
            await queue.WriteAsync(new RedisDelivery(this, id, Read(entry.Items[1].Items)), _stopping.Token);
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
            if (!_stopping.IsCancellationRequested && !failure.Message.StartsWith("NOGROUP", StringComparison.Ordinal)) warn($"topic {topic}: {failure.Message}");
        }
    }

    private async Task PauseAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, time, _stopping.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    internal sealed class Work(RedisFeed feed) : IDisposable
    {
        public void Dispose() => feed.End();
    }
}
