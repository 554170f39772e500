using System.Threading.Channels;
using Daprd.Files;
using Daprd.Redis;

namespace Daprd.PubSub;

/// <param name="Group">Name of both the consumer group and the consumer.</param>
/// <param name="QueueDepth">Maximum number of messages per read, and capacity of the queue to the workers.</param>
/// <param name="MaxLength">Zero: streams are not trimmed by length.</param>
/// <param name="StreamTtl">Zero: streams are not trimmed by age.</param>
/// <param name="ProcessingTimeout">Idle time after which a pending message is reclaimed. Zero: never.</param>
/// <param name="RedeliverInterval">Interval of the search for such messages. Zero: never.</param>
/// <param name="KeepAliveInterval">Interval at which the idle time of queued and running messages is reset. Zero: never.</param>
/// <param name="EndsAtProcessingTimeout">Whether handling is cancelled at the processing timeout.</param>
internal sealed record RedisPubSubSettings(
    string Group,
    int Concurrency,
    int QueueDepth,
    long MaxLength,
    TimeSpan StreamTtl,
    TimeSpan ReadTimeout,
    TimeSpan ProcessingTimeout,
    TimeSpan RedeliverInterval,
    TimeSpan KeepAliveInterval,
    bool EndsAtProcessingTimeout)
{
    private static readonly TimeSpan DefaultProcessingTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan DefaultRedeliverInterval = TimeSpan.FromSeconds(15);

    /// <summary>Whether idle messages are reclaimed: only if both times are positive.</summary>
    public bool Reclaims => ProcessingTimeout > TimeSpan.Zero && RedeliverInterval > TimeSpan.Zero;

    public static RedisPubSubSettings Of(Component component, string appId, DaprVersion version)
    {
        var processing = component.Duration("processingTimeout", DefaultProcessingTimeout);
        return new RedisPubSubSettings(
            component.Value("consumerID") is { Length: > 0 } id ? id : appId,
            Math.Max(1, component.Integer("concurrency", 10)),
            Math.Max(1, component.Integer("queueDepth", 100)),
            component.Integer("maxLenApprox", 0),
            component.Duration("streamTTL", TimeSpan.Zero),
            component.Duration("readTimeout", TimeSpan.Zero) is { Ticks: > 0 } timeout ? timeout : TimeSpan.Zero,
            processing,
            Redelivery(component, version),
            version.KeepsHeldEntriesAlive ? component.Duration("entryKeepAliveInterval", processing / 3) : TimeSpan.Zero,
            version.EndsDeliveryAtProcessingTimeout);
    }

    /// <summary>Before 1.19, daprd accepts only plain milliseconds here and silently ignores anything else.</summary>
    private static TimeSpan Redelivery(Component component, DaprVersion version) =>
        version.ReadsRedeliverIntervalAsDuration ? component.Duration("redeliverInterval", DefaultRedeliverInterval)
        : int.TryParse(component.Value("redeliverInterval"), out var interval) ? TimeSpan.FromMilliseconds(interval)
        : DefaultRedeliverInterval;
}

/// <summary>
/// pubsub.redis: one stream per topic, one consumer group per app. All topics of the component share one queue and its workers.
/// A message is acknowledged even if its handler fails, unless its subscription was stopped meanwhile or, if idle messages are reclaimed,
/// the handler took longer than the processing timeout.
/// </summary>
internal sealed class RedisPubSub : IPubSub
{
    private readonly RedisClient redis;
    private readonly RedisPubSubSettings settings;
    private readonly Action<string> warn;
    private readonly TimeProvider time = TimeProvider.System;
    private readonly Channel<RedisDelivery> queue;
    private readonly Task[] workers;

    public RedisPubSub(Component component, string appId, DaprVersion version, Action<string> warn)
    {
        redis = new RedisClient(RedisAddress.Of(component));
        settings = RedisPubSubSettings.Of(component, appId, version);
        this.warn = warn;
        queue = Channel.CreateBounded<RedisDelivery>(settings.QueueDepth);
        workers = [.. Enumerable.Range(0, settings.Concurrency).Select(_ => Task.Run(WorkAsync))];
    }

    /// <summary>Throws <see cref="RedisUnreachableException"/> if Redis is not reachable.</summary>
    public async Task OpenAsync() => await redis.SendAsync("PING");

    public async Task PublishAsync(Message message) => await redis.SendAsync(Add(message));

    public async Task<IReadOnlyList<Exception?>> PublishManyAsync(IReadOnlyList<Message> messages)
    {
        try
        {
            var replies = await redis.SendAllAsync([.. messages.Select(Add)]);
            return Array.ConvertAll(replies, reply => reply.Kind == RedisReplyKind.Error ? new RedisException(reply.ToString()) : null);
        }
        catch (RedisUnreachableException failure)
        {
            return [.. messages.Select(_ => failure)];
        }
    }

    public async Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct)
    {
        var consumer = new StreamConsumer(subscription.Topic, redis, settings, handler, queue.Writer, warn, time);
        await consumer.StartAsync(ct);
        return consumer;
    }

    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        await Task.WhenAll(workers);
        await redis.DisposeAsync();
    }

    private RedisArgument[] Add(Message message)
    {
        var command = new List<RedisArgument>(9) { "XADD", message.Topic };
        if (settings.MaxLength > 0) command.AddRange(["MAXLEN", "~", settings.MaxLength]);
        else if (settings.StreamTtl > TimeSpan.Zero)
        {
            var oldest = (time.GetUtcNow() - settings.StreamTtl).ToUnixTimeMilliseconds();
            command.AddRange(["MINID", "~", $"{oldest}-1"]);
        }

        command.AddRange(["*", "data", message.Data]);
        if (message.Metadata is { } metadata) command.AddRange(["metadata", MessageMetadata.ToJson(metadata)]);
        return [.. command];
    }

    private async Task WorkAsync()
    {
        try
        {
            while (true)
            {
                // ReadAsync wakes one worker per message; WaitToReadAsync would wake all of them.
                var delivery = await queue.Reader.ReadAsync();
                try
                {
                    await HandleAsync(delivery);
                }
                catch (Exception failure)
                {
                    warn($"message {delivery.Id} of topic {delivery.Message.Topic} could not be acknowledged: {failure.Message}");
                }
            }
        }
        catch (ChannelClosedException)
        {
        }
    }

    private async Task HandleAsync(RedisDelivery delivery)
    {
        try
        {
            using var work = delivery.Consumer.Begin();
            if (work is not null) await HandleAsync(delivery.Consumer, delivery);
        }
        finally
        {
            delivery.Consumer.Release(delivery.Id);
        }
    }

    private async Task HandleAsync(StreamConsumer consumer, RedisDelivery delivery)
    {
        var taken = time.GetTimestamp();
        using var deadline = settings is { Reclaims: true, EndsAtProcessingTimeout: true }
            ? new CancellationTokenSource(settings.ProcessingTimeout, time)
            : null;
        try
        {
            await consumer.Handler(delivery.Message, deadline?.Token ?? CancellationToken.None, consumer.Closed);
        }
        catch (Exception failure)
        {
            warn($"message {delivery.Id} of topic {delivery.Message.Topic} was not handled: {failure.Message}");
            var late = settings.Reclaims && (deadline is { IsCancellationRequested: true } || time.GetElapsedTime(taken) > settings.ProcessingTimeout);
            if (late || consumer.Closed.IsCancellationRequested) return;
        }

        await redis.SendAsync("XACK", delivery.Message.Topic, settings.Group, delivery.Id);
    }
}

/// <param name="Id">The id of the entry in its stream.</param>
internal readonly record struct RedisDelivery(StreamConsumer Consumer, string Id, Message Message);
