using System.Threading.Channels;
using Daprd.Files;
using StackExchange.Redis;

namespace Daprd.PubSub;

/// <param name="Group">Name of both the consumer group and the consumer.</param>
/// <param name="QueueDepth">Maximum number of messages per read, and capacity of the queue to the workers.</param>
/// <param name="MaxLength">Null: streams are not trimmed.</param>
/// <param name="ProcessingTimeout">Idle time after which a pending message is reclaimed. Zero: never.</param>
/// <param name="RedeliverInterval">Interval of the search for such messages. Zero: never.</param>
/// <param name="KeepAliveInterval">Interval at which the idle time of queued and running messages is reset. Zero: never.</param>
/// <param name="EndsAtProcessingTimeout">Whether handling is cancelled at the processing timeout.</param>
internal sealed record RedisPubSubSettings(
    string Group,
    int Concurrency,
    int QueueDepth,
    int? MaxLength,
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
            Math.Clamp(component.Integer("concurrency", 10), 1, 10_000),
            Math.Max(1, component.Integer("queueDepth", 100)),
            component.Integer("maxLenApprox", 0) is > 0 and var length ? length : null,
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
internal sealed class RedisPubSub : IPubSub, IAsyncDisposable
{
    private readonly Component component;
    private readonly IDatabase redis;
    private readonly RedisPubSubSettings settings;
    private readonly Action<string> warn;
    private readonly TimeProvider time = TimeProvider.System;
    private readonly Channel<RedisDelivery> queue;
    private readonly Task[] workers;

    public RedisPubSub(Component component, IConnectionMultiplexer connection, RedisPubSubSettings settings, Action<string> warn)
    {
        this.component = component;
        redis = connection.GetDatabase();
        this.settings = settings;
        this.warn = warn;
        queue = Channel.CreateBounded<RedisDelivery>(settings.QueueDepth);
        workers = [.. Enumerable.Range(0, settings.Concurrency).Select(_ => Task.Run(WorkAsync))];
    }

    public Task PublishAsync(Message message) =>
        redis.StreamAddAsync(message.Topic, StreamConsumer.DataField, message.Data, messageId: null, settings.MaxLength, useApproximateMaxLength: true);

    public async Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken ct)
    {
        var consumer = new StreamConsumer(subscription.Topic, component, redis, settings, handler, queue.Writer, warn);
        await consumer.StartAsync(ct);
        return consumer;
    }

    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        await Task.WhenAll(workers);
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
                    if (delivery.Consumer.TryBegin()) await HandleAsync(delivery.Consumer, delivery);
                }
                catch (Exception failure)
                {
                    warn($"message {delivery.Id} of topic {delivery.Message.Topic} could not be acknowledged: {failure.Message}");
                }
                finally
                {
                    delivery.Consumer.End(delivery.Id);
                }
            }
        }
        catch (ChannelClosedException)
        {
        }
    }

    private async Task HandleAsync(StreamConsumer consumer, RedisDelivery delivery)
    {
        var taken = time.GetTimestamp();
        using var deadline = settings is { Reclaims: true, EndsAtProcessingTimeout: true } ? new CancellationTokenSource(settings.ProcessingTimeout, time) : null;
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

        await redis.StreamAcknowledgeAsync(delivery.Message.Topic, settings.Group, delivery.Id);
    }
}

/// <param name="Id">The id of the entry in its stream.</param>
internal readonly record struct RedisDelivery(StreamConsumer Consumer, string Id, Message Message);
