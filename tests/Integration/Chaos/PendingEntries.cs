using StackExchange.Redis;

namespace Integration.Chaos;

/// <summary>Events that a consumer group has read and not acknowledged. Used to inject faults only; the checks do not read Redis.</summary>
internal sealed class PendingEntries(string redisAddress) : IDisposable
{
    private const string CountMax = "1000";

    private readonly ConnectionMultiplexer redis = ConnectionMultiplexer.Connect($"{redisAddress},abortConnect=false,syncTimeout=1000");

    /// <summary>Whether the app has pending events. False as well when Redis does not answer.</summary>
    public async Task<bool> AnyAsync(string appId) => await TryAsync(async () =>
    {
        foreach (var topic in await TopicsAsync(appId))
        {
            if ((await PendingAsync(topic, appId)).Length > 0) return 1;
        }
        return 0;
    }) > 0;

    /// <summary>Acknowledges all pending events of the app, so that they are never redelivered.</summary>
    /// <returns>Number of events.</returns>
    public Task<long> DropAsync(string appId) => TryAsync(async () =>
    {
        var dropped = 0L;
        foreach (var topic in await TopicsAsync(appId))
        {
            var pending = await PendingAsync(topic, appId);
            if (pending.Length > 0) dropped += (long)await ExecuteAsync("XACK", [topic, appId, .. pending]);
        }
        return dropped;
    });

    /// <summary>Number of dead letters.</summary>
    public Task<long> DeadLettersAsync() => TryAsync(async () =>
    {
        var letters = 0L;
        foreach (var topic in await StreamsAsync())
        {
            if (topic.EndsWith("-dead-letters", StringComparison.Ordinal)) letters += (long)await ExecuteAsync("XLEN", topic);
        }
        return letters;
    });

    public void Dispose() => redis.Dispose();

    /// <summary>The topics that the app consumes: its consumer group has its name.</summary>
    private async Task<List<string>> TopicsAsync(string appId)
    {
        List<string> topics = [];
        foreach (var topic in await StreamsAsync())
        {
            var groups = (RedisResult[])(await ExecuteAsync("XINFO", "GROUPS", topic))!;
            if (groups.Any(group => (string?)((RedisResult[])group!)[1] == appId)) topics.Add(topic);
        }
        return topics;
    }

    private async Task<string[]> PendingAsync(string topic, string group) =>
        [.. ((RedisResult[])(await ExecuteAsync("XPENDING", topic, group, "-", "+", CountMax))!).Select(entry => (string)((RedisResult[])entry!)[0]!)];

    private async Task<string[]> StreamsAsync()
    {
        var scanned = (RedisResult[])(await ExecuteAsync("SCAN", "0", "TYPE", "stream", "COUNT", "1000000"))!;
        return (string[])scanned[1]!;
    }

    private Task<RedisResult> ExecuteAsync(string command, params string[] arguments) => redis.GetDatabase().ExecuteAsync(command, [.. arguments]);

    private static async Task<long> TryAsync(Func<Task<long>> read)
    {
        try
        {
            // A frozen Redis does not answer.
            return await read().WaitAsync(TimeSpan.FromSeconds(2));
        }
        catch (Exception fault) when (fault is RedisException or TimeoutException)
        {
            return 0;
        }
    }
}
