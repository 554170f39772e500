using System.Collections.Concurrent;
using System.Threading.Channels;
using Daprd.Files;
using Daprd.Redis;
using StackExchange.Redis;

namespace Daprd.PubSub;

/// <summary>
/// Moves the messages of one topic from Redis to the workers. Three loops: one reads new messages, with blocking reads on its own
/// connection; one reclaims messages that a consumer read and did not acknowledge; from Dapr 1.19 on, one resets the idle time of the
/// messages held here so that they are not reclaimed.
/// </summary>
internal sealed class StreamConsumer(
    string topic, Component component, IDatabase redis, RedisPubSubSettings settings, MessageHandler handler, ChannelWriter<RedisDelivery> queue,
    Action<string> warn)
    : IAsyncDisposable
{
    /// <summary>The field of an entry that has the message.</summary>
    public const string DataField = "data";

    private static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(200), DrainTimeout = TimeSpan.FromSeconds(30);

    /// <summary>A read returns when there is a message, or else after this time.</summary>
    private static readonly TimeSpan BlockTime = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource closed = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<string, byte> held = new();
    private readonly Lock gate = new();
    private readonly TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IConnectionMultiplexer? reader;
    private Task loops = Task.CompletedTask;
    private int running;

    public MessageHandler Handler => handler;

    /// <summary>Cancelled when no more messages may be delivered.</summary>
    public CancellationToken Closed => closed.Token;

    /// <summary>Completes when the consumer group exists; retries while Redis is unreachable.</summary>
    public async Task StartAsync(CancellationToken ct)
    {
        while (reader is null)
        {
            try
            {
                await CreateGroupAsync();
                reader = await RedisConnection.OpenBlockingAsync(component, BlockTime);
            }
            catch (Exception away) when (away is RedisException or TimeoutException)
            {
                warn($"topic {topic} cannot be subscribed to yet: {away.Message}");
                await Task.Delay(ReconnectDelay, ct);
            }
        }

        // These run until DisposeAsync, not only until the start is over.
        var untilDisposed = CancellationToken.None;
        loops = Task.WhenAll(
            Task.Run(() => ReadAsync(reader.GetDatabase()), untilDisposed), Task.Run(ReclaimAsync, untilDisposed), Task.Run(KeepAliveAsync, untilDisposed));
    }

    /// <summary>Counts a message as running until <see cref="End"/>; false if the subscription is stopped and the message must not be handled.</summary>
    public bool TryBegin()
    {
        lock (gate)
        {
            running++;
            return !closed.IsCancellationRequested;
        }
    }

    /// <summary>The message is no longer held by the queue or a worker.</summary>
    public void End(string id)
    {
        held.TryRemove(id, out _);
        lock (gate)
        {
            if (--running == 0 && closed.IsCancellationRequested) idle.TrySetResult();
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            closed.Cancel();
            if (running == 0) idle.TrySetResult();
        }

        try
        {
            await idle.Task.WaitAsync(DrainTimeout);
        }
        catch (TimeoutException)
        {
            warn($"topic {topic}: handlers are still busy {DrainTimeout.TotalSeconds} s after the subscription was stopped");
        }

        // The reader stops last. As in daprd, messages read in the meantime are not delivered and stay pending.
        await stopping.CancelAsync();
        if (reader is not null)
        {
            await reader.CloseAsync(allowCommandsToComplete: false);
            await reader.DisposeAsync();
        }

        await loops;
    }

    private async Task CreateGroupAsync()
    {
        try
        {
            await redis.StreamCreateConsumerGroupAsync(topic, settings.Group, StreamPosition.Beginning, createStream: true);
        }
        catch (RedisServerException exists) when (exists.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal))
        {
        }
    }

    private async Task ReadAsync(IDatabase blocking)
    {
        object[] command =
            ["GROUP", settings.Group, settings.Group, "COUNT", settings.QueueDepth, "BLOCK", (long)BlockTime.TotalMilliseconds, "STREAMS", topic, ">"];
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var reply = await blocking.ExecuteAsync("XREADGROUP", command);
                if (reply.IsNull) continue;
                foreach (var entry in (RedisResult[])reply[0][1]!)
                {
                    var fields = (RedisValue[])entry[1]!;
                    var at = Array.IndexOf(fields, DataField);
                    await EnqueueAsync((string)entry[0]!, at < 0 ? RedisValue.EmptyString : fields[at + 1]);
                }
            }
            catch (RedisServerException gone) when (gone.Message.StartsWith("NOGROUP", StringComparison.Ordinal))
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
        RedisValue[] held = [.. this.held.Keys.Select(id => (RedisValue)id)];
        if (held.Length > 0) await redis.StreamClaimIdsOnlyAsync(topic, settings.Group, settings.Group, 0, held);
    }

    private async Task ReclaimOnceAsync()
    {
        var idleMs = (long)settings.ProcessingTimeout.TotalMilliseconds;
        while (!stopping.IsCancellationRequested)
        {
            var pending = await redis.StreamPendingMessagesAsync(topic, settings.Group, settings.QueueDepth, RedisValue.Null);
            RedisValue[] old = [.. pending.Where(message => message.IdleTimeInMilliseconds >= idleMs).Select(message => message.MessageId)];
            if (old.Length == 0) return;
            // Without those that were trimmed from the stream while they were pending: Redis removes them from the group.
            var claimed = await redis.StreamClaimAsync(topic, settings.Group, settings.Group, idleMs, old);
            if (claimed.Length == 0) return;
            foreach (var entry in claimed) await EnqueueAsync(entry.Id!, entry[DataField]);
        }
    }

    private async Task EnqueueAsync(string id, RedisValue data)
    {
        held[id] = 0;
        await queue.WriteAsync(new RedisDelivery(this, id, new Message(topic, (byte[]?)data ?? [])), stopping.Token);
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

    private Task DelayAsync(TimeSpan pause) => Task.Delay(pause, stopping.Token).ContinueWith(_ => { }, TaskScheduler.Default);
}
