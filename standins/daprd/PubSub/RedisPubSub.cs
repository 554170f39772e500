using System.Threading.Channels;
using Daprd.Files;
using Daprd.Redis;

namespace Daprd.PubSub;

/// <param name="Group">The consumer group and the consumer within it, both.</param>
/// <param name="QueueDepth">Messages read at once, and messages waiting for a worker.</param>
/// <param name="MaxLength">Zero never trims a stream by length.</param>
/// <param name="StreamTtl">Zero never trims a stream by age.</param>
/// <param name="ProcessingTimeout">A message unacknowledged for this long is taken back. Zero takes nothing back.</param>
/// <param name="RedeliverInterval">How often such messages are looked for. Zero never looks.</param>
/// <param name="KeepAliveInterval">How often messages that are held here are kept from being taken back. Zero never does.</param>
/// <param name="EndsAtProcessingTimeout">Whether a message that is still being handled then is given up.</param>
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
    private static readonly TimeSpan UsualProcessingTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan UsualRedeliverInterval = TimeSpan.FromSeconds(15);

    /// <summary>Whether abandoned messages are reclaimed at all: only when both times are given.</summary>
    public bool Reclaims => ProcessingTimeout > TimeSpan.Zero && RedeliverInterval > TimeSpan.Zero;

    public static RedisPubSubSettings Of(Component component, string appId, DaprVersion version)
    {
        var processing = component.Duration("processingTimeout", UsualProcessingTimeout);
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

    /// <summary>Before 1.19 daprd reads plain milliseconds here and silently ignores anything else.</summary>
    private static TimeSpan Redelivery(Component component, DaprVersion version) =>
        version.ReadsRedeliverIntervalAsDuration ? component.Duration("redeliverInterval", UsualRedeliverInterval)
        : int.TryParse(component.Value("redeliverInterval"), out var interval) ? TimeSpan.FromMilliseconds(interval)
        : UsualRedeliverInterval;
}

/// <summary>
/// pubsub.redis: a stream for each topic, a consumer group for each app. All topics of the component share one queue and its workers.
/// A message is acknowledged after its handler has failed, too, unless its subscription was stopped meanwhile or, where messages are taken
/// back, the handler took longer than the processing timeout.
/// </summary>
internal sealed class RedisPubSub : IPubSub
{
    private readonly RedisClient _redis;
    private readonly RedisPubSubSettings _settings;
    private readonly Action<string> _warn;
    private readonly TimeProvider _time = TimeProvider.System;
    private readonly Channel<RedisDelivery> _queue;
    private readonly Task[] _workers;

    public RedisPubSub(Component component, string appId, DaprVersion version, Action<string> warn)
    {
        _redis = new RedisClient(RedisAddress.Of(component));
        _settings = RedisPubSubSettings.Of(component, appId, version);
        _warn = warn;
        _queue = Channel.CreateBounded<RedisDelivery>(_settings.QueueDepth);
        _workers = [.. Enumerable.Range(0, _settings.Concurrency).Select(_ => Task.Run(WorkAsync))];
    }

    /// <summary>Throws <see cref="RedisUnreachableException"/> when Redis is not there.</summary>
    public async Task OpenAsync() => await _redis.SendAsync("PING");

    public async Task PublishAsync(Message message) => await _redis.SendAsync(Add(message));

    public async Task<IReadOnlyList<Exception?>> PublishManyAsync(IReadOnlyList<Message> messages)
    {
        try
        {
            var replies = await _redis.SendAllAsync([.. messages.Select(Add)]);
            return Array.ConvertAll(replies, reply => reply.Kind == RedisReplyKind.Error ? new RedisException(reply.ToString()) : null);
        }
        catch (RedisUnreachableException failure)
        {
            return [.. messages.Select(_ => failure)];
        }
    }

    public async Task<IAsyncDisposable> SubscribeAsync(Subscription subscription, MessageHandler handler, CancellationToken stop)
    {
        var feed = new RedisFeed(subscription.Topic, _redis, _settings, handler, _queue.Writer, _warn, _time);
        await feed.StartAsync(stop);
        return feed;
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await Task.WhenAll(_workers);
        await _redis.DisposeAsync();
    }

    private RedisArgument[] Add(Message message)
    {
        var command = new List<RedisArgument>(9) { "XADD", message.Topic };
        if (_settings.MaxLength > 0) command.AddRange(["MAXLEN", "~", _settings.MaxLength]);
        else if (_settings.StreamTtl > TimeSpan.Zero)
        {
            var oldest = (_time.GetUtcNow() - _settings.StreamTtl).ToUnixTimeMilliseconds();
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
                // Whoever waits like this is woken alone, for a message of its own; those who wait until there are any are all woken.
                var delivery = await _queue.Reader.ReadAsync();
                try
                {
                    await HandleAsync(delivery);
                }
                catch (Exception failure)
                {
                    _warn($"message {delivery.Id} of topic {delivery.Message.Topic} could not be acknowledged: {failure.Message}");
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
            using var work = delivery.Feed.Begin();
            if (work is not null) await HandleAsync(delivery.Feed, delivery);
        }
        finally
        {
            delivery.Feed.Release(delivery.Id);
        }
    }

    private async Task HandleAsync(RedisFeed feed, RedisDelivery delivery)
    {
        var taken = _time.GetTimestamp();
        using var deadline = _settings is { Reclaims: true, EndsAtProcessingTimeout: true } ? new CancellationTokenSource(_settings.ProcessingTimeout, _time) : null;
        try
        {
            await feed.Handler(delivery.Message, deadline?.Token ?? CancellationToken.None, feed.Closed);
        }
        catch (Exception failure)
        {
            _warn($"message {delivery.Id} of topic {delivery.Message.Topic} was not handled: {failure.Message}");
            var late = _settings.Reclaims && (deadline is { IsCancellationRequested: true } || _time.GetElapsedTime(taken) > _settings.ProcessingTimeout);
            if (late || feed.Closed.IsCancellationRequested) return;
        }

        await _redis.SendAsync("XACK", delivery.Message.Topic, _settings.Group, delivery.Id);
    }
}

/// <param name="Id">The id of the entry in its stream.</param>
internal readonly record struct RedisDelivery(RedisFeed Feed, string Id, Message Message);
