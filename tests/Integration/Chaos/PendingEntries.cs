using StackExchange.Redis;

namespace Integration.Chaos;

/// <summary>What a consumer group has read and not acknowledged yet. Only the faults looks into Redis; the checks do not.</summary>
internal sealed class PendingEntries(string redisAddress) : IDisposable
{
    private const string LookMax = "1000";

    private readonly ConnectionMultiplexer redis = ConnectionMultiplexer.Connect($"{redisAddress},abortConnect=false,syncTimeout=1000");

    /// <summary>True when the app has something under way. False, too, when Redis does not answer.</summary>
    public async Task<bool> AnyAsync(string appId) => await AnsweredAsync(async () =>
    {
        foreach (var topic in await TopicsAsync(appId))
        {
            if ((await PendingAsync(topic, appId)).Length > 0) return 1;
        }
        return 0;
    }) > 0;

    /// <summary>Acknowledges everything that the app has not: nobody will ever see it again.</summary>
    /// <returns>How many there were.</returns>
    public Task<long> DropAsync(string appId) => AnsweredAsync(async () =>
    {
        var dropped = 0L;
        foreach (var topic in await TopicsAsync(appId))
        {
            var pending = await PendingAsync(topic, appId);
            if (pending.Length > 0) dropped += (long)await AskAsync("XACK", [topic, appId, .. pending]);
        }
        return dropped;
    });

    /// <summary>How many events could not be handled at all.</summary>
    public Task<long> DeadLettersAsync() => AnsweredAsync(async () =>
    {
        var letters = 0L;
        foreach (var topic in await StreamsAsync())
        {
            if (topic.EndsWith("-dead-letters", StringComparison.Ordinal)) letters += (long)await AskAsync("XLEN", topic);
        }
        return letters;
    });

    public void Dispose() => redis.Dispose();

    /// <summary>What the app hears: its consumer group bears its name.</summary>
    private async Task<List<string>> TopicsAsync(string appId)
    {
        List<string> heard = [];
        foreach (var topic in await StreamsAsync())
        {
            var groups = (RedisResult[])(await AskAsync("XINFO", "GROUPS", topic))!;
            if (groups.Any(group => (string?)((RedisResult[])group!)[1] == appId)) heard.Add(topic);
        }
        return heard;
    }

    private async Task<string[]> PendingAsync(string topic, string group) =>
        [.. ((RedisResult[])(await AskAsync("XPENDING", topic, group, "-", "+", LookMax))!).Select(entry => (string)((RedisResult[])entry!)[0]!)];

    private async Task<string[]> StreamsAsync()
    {
        var scanned = (RedisResult[])(await AskAsync("SCAN", "0", "TYPE", "stream", "COUNT", "1000000"))!;
        return (string[])scanned[1]!;
    }

    private Task<RedisResult> AskAsync(string command, params string[] arguments) => redis.GetDatabase().ExecuteAsync(command, [.. arguments]);

    private static async Task<long> AnsweredAsync(Func<Task<long>> look)
    {
        try
        {
            // A Redis that sleeps is one that does not answer.
            return await look().WaitAsync(TimeSpan.FromSeconds(2));
        }
        catch (Exception away) when (away is RedisException or TimeoutException)
        {
            return 0;
        }
    }
}
