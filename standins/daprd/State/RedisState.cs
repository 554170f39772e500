using System.Globalization;
using Daprd.Files;
using Daprd.Redis;

namespace Daprd.State;

/// <summary>
/// state.redis: one hash per key, with the fields data, version and, after a write with first-write concurrency, first-write.
/// </summary>
internal sealed class RedisState : IStateStore
{
    private const string SetScript = """
        local key = KEYS[1]
        local version = redis.pcall('HGET', key, 'version')
        if type(version) == 'table' then
          redis.call('DEL', key)
          version = false
        end
        local marked = redis.call('HGET', key, 'first-write')
        local missing = not version or version == ''
        local free = version == ARGV[1] or (missing and (ARGV[1] == '0' or ARGV[4] == '0'))
        if not free and (missing or marked or ARGV[1] ~= '0') then
          error('failed to set key ' .. key)
        end
        redis.call('HSET', key, 'data', ARGV[2])
        if ARGV[3] == '0' then redis.call('HSET', key, 'first-write', 0) end
        return redis.call('HINCRBY', key, 'version', 1)
        """;

    private const string DeleteScript = """
        local version = redis.pcall('HGET', KEYS[1], 'version')
        local known = version and type(version) ~= 'table' and version ~= ''
        if known and version ~= ARGV[1] and ARGV[1] ~= '0' then
          error('failed to delete ' .. KEYS[1])
        end
        return redis.call('DEL', KEYS[1])
        """;

    private readonly RedisClient redis;
    private readonly int? defaultTtlSeconds;
    private readonly bool refusesEtagOfMissingKey;
    private int replicas;

    public RedisState(Component component, DaprVersion version)
    {
        redis = new RedisClient(RedisAddress.Of(component));
        defaultTtlSeconds = component.Value("ttlInSeconds").Length > 0 ? component.Integer("ttlInSeconds", 0) : null;
        refusesEtagOfMissingKey = version.RefusesEtagOfMissingKey;
    }

    public IReadOnlyList<string> Capabilities { get; } = ["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE", "ACTOR"];

    /// <summary>Throws <see cref="RedisUnreachableException"/> if Redis is not reachable.</summary>
    public async Task OpenAsync()
    {
        var replication = (await redis.SendAsync("INFO", "replication")).ToString();
        var line = replication.Split("\r\n").FirstOrDefault(l => l.StartsWith("connected_slaves:", StringComparison.Ordinal));
        replicas = line is null ? 0 : int.Parse(line.AsSpan(line.IndexOf(':') + 1), CultureInfo.InvariantCulture);
    }

    public async Task<StateValue?> GetAsync(string key)
    {
        try
        {
            return Value((await redis.SendAsync("HGETALL", key)).Items);
        }
        catch (Exception failure) when (failure is RedisException or RedisUnreachableException)
        {
            return Plain(await redis.SendAsync("GET", key));
        }
    }

    public async Task<IReadOnlyList<(StateValue? Value, Exception? Failure)>> GetManyAsync(IReadOnlyList<string> keys)
    {
        RedisReply[] replies;
        try
        {
            replies = await redis.SendAllAsync([.. keys.Select(key => new RedisArgument[] { "HGETALL", key })]);
        }
        catch (RedisUnreachableException)
        {
            return await EachAsync(keys, async key => Plain(await redis.SendAsync("GET", key)));
        }

        if (!replies.Any(reply => reply.Kind == RedisReplyKind.Error)) return [.. replies.Select(reply => Read(() => Value(reply.Items)))];
        return await EachAsync(keys, GetAsync);
    }

    public async Task<IReadOnlyList<Exception?>> SetManyAsync(IReadOnlyList<StateWrite> writes)
    {
        var failures = new Exception?[writes.Count];
        RedisArgument[]?[] scripts = [.. writes.Select((write, at) =>
        {
            try
            {
                return Upsert(write);
            }
            catch (EtagException invalid)
            {
                failures[at] = invalid;
                return null;
            }
        })];
        await SendAsync(scripts, (write, failure) => NotSet(write, failure));
        await SendAsync([.. writes.Select((write, at) => failures[at] is null ? Expiry(write) : null)], (_, failure) => failure);
        if (replicas > 0)
        {
            RedisArgument[] wait = ["WAIT", replicas, 1000];
            await SendAsync([.. writes.Select((write, at) => failures[at] is null && write.Strong ? wait : null)], (_, failure) => failure);
        }
        return failures;

        async Task SendAsync(RedisArgument[]?[] commands, Func<StateWrite, Exception, Exception> failed)
        {
            int[] sent = [.. Enumerable.Range(0, commands.Length).Where(at => commands[at] is not null)];
            if (sent.Length == 0) return;
            try
            {
                var replies = await redis.SendAllAsync([.. sent.Select(at => commands[at]!)]);
                foreach (var (at, reply) in sent.Zip(replies))
                {
                    if (reply.Kind == RedisReplyKind.Error) failures[at] = failed(writes[at], new RedisException(reply.ToString()));
                }
            }
            catch (RedisUnreachableException failure)
            {
                foreach (var at in sent) failures[at] = failed(writes[at], failure);
            }
        }
    }

    public async Task DeleteAsync(StateRemoval removal)
    {
        try
        {
            await redis.SendAsync(Delete(removal));
        }
        catch (Exception failure) when (failure is RedisException or RedisUnreachableException)
        {
            throw new EtagException(invalid: false, failure.Message);
        }
    }

    public ValueTask DisposeAsync() => redis.DisposeAsync();

    private static async Task<(StateValue? Value, Exception? Failure)[]> EachAsync(IReadOnlyList<string> keys, Func<string, Task<StateValue?>> read) =>
        await Task.WhenAll(keys.Select(async key =>
        {
            try
            {
                return (await read(key), (Exception?)null);
            }
            catch (Exception failure) when (failure is RedisException or RedisUnreachableException)
            {
                return (null, failure);
            }
        }));

    private static (StateValue? Value, Exception? Failure) Read(Func<StateValue?> value)
    {
        try
        {
            return (value(), null);
        }
        catch (RedisException failure)
        {
            return (null, failure);
        }
    }

    /// <summary>
    /// The fallback to GET after any failure of HGETALL. As in daprd, a valid hash fails with WRONGTYPE if HGETALL timed out and GET is
    /// answered.
    /// </summary>
    private static StateValue? Plain(RedisReply reply) => reply.IsNull ? null : new StateValue(reply.Bytes, null);

    private static StateValue? Value(RedisReply[] fields)
    {
        if (fields.Length == 0) return null;
        byte[]? data = null;
        string? version = null;
        for (var i = 0; i + 1 < fields.Length; i += 2)
        {
            var name = fields[i].Bytes.AsSpan();
            if (name.SequenceEqual("data"u8)) data = fields[i + 1].Bytes;
            else if (name.SequenceEqual("version"u8)) version = fields[i + 1].ToString();
        }

        if (data is null || version is null) throw new RedisException($"required hash field {(data is null ? "data" : "version")} was not found");
        return new StateValue(data, version);
    }

    private static Exception NotSet(StateWrite write, Exception failure) => write.Etag is not null
        ? new EtagException(invalid: false, failure.Message)
        : new RedisException($"failed to set key {write.Key}: {failure.Message}");

    private RedisArgument[] Upsert(StateWrite write)
    {
        var etag = write.LastWrite || write.Etag is null ? 0 : Version(write.Etag);
        return ["EVAL", SetScript, 1, write.Key, etag, write.Data, write.FirstWrite ? 0 : 1, refusesEtagOfMissingKey ? 1 : 0];
    }

    private static RedisArgument[] Delete(StateRemoval removal) => ["EVAL", DeleteScript, 1, removal.Key, removal.Etag ?? "0"];

    private RedisArgument[]? Expiry(StateWrite write) => (write.TtlSeconds ?? defaultTtlSeconds) switch
    {
        null => null,
        > 0 and var seconds => ["EXPIRE", write.Key, seconds],
        _ => ["PERSIST", write.Key],
    };

    private static long Version(string etag) =>
        long.TryParse(etag, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw new EtagException(invalid: true, $"strconv.Atoi: parsing \"{etag}\": invalid syntax");
}
