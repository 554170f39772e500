using System.Globalization;
using Daprd.Files;
using StackExchange.Redis;

namespace Daprd.State;

/// <summary>
/// state.redis: one hash per key, with the fields data, version and, after a write with first-write concurrency, first-write.
/// </summary>
internal sealed class RedisState(Component component, IConnectionMultiplexer connection, DaprVersion version) : IStateStore
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

    private readonly IDatabase redis = connection.GetDatabase();
    private readonly int? defaultTtlSeconds = component.Value("ttlInSeconds").Length > 0 ? component.Integer("ttlInSeconds", 0) : null;
    private readonly bool refusesEtagOfMissingKey = version.RefusesEtagOfMissingKey;

    public IReadOnlyList<string> Capabilities { get; } = ["ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE", "ACTOR"];

    public async Task<StateValue?> GetAsync(string key)
    {
        HashEntry[] fields;
        try
        {
            fields = await redis.HashGetAllAsync(key);
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException)
        {
            // As in daprd, a valid hash fails with WRONGTYPE if HGETALL timed out and GET is answered.
            var plain = await redis.StringGetAsync(key);
            return plain.IsNull ? null : new StateValue((byte[])plain!, null);
        }

        if (fields.Length == 0) return null;
        return new StateValue((byte[])Required("data")!, Required("version"));

        RedisValue Required(string name) => Array.Find(fields, field => field.Name == name).Value is { IsNull: false } value
            ? value
            : throw new InvalidOperationException($"required hash field {name} was not found");
    }

    public async Task SetAsync(StateWrite write)
    {
        var etag = write.LastWrite || write.Etag.Length == 0 ? 0 : Version(write.Etag);
        try
        {
            await redis.ScriptEvaluateAsync(
                SetScript, [write.Key], [etag, write.Data, write.FirstWrite ? 0 : 1, refusesEtagOfMissingKey ? 1 : 0]);
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException)
        {
            throw write.Etag.Length > 0
                ? new EtagException(invalid: false, failure.Message)
                : new InvalidOperationException($"failed to set key {write.Key}: {failure.Message}");
        }

        if ((write.TtlSeconds ?? defaultTtlSeconds) is not { } seconds) return;
        if (seconds > 0) await redis.KeyExpireAsync(write.Key, TimeSpan.FromSeconds(seconds));
        else await redis.KeyPersistAsync(write.Key);
    }

    public async Task DeleteAsync(string key)
    {
        try
        {
            await redis.KeyDeleteAsync(key);
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException)
        {
            // As in daprd, a delete reports every failure of Redis as a conflict.
            throw new EtagException(invalid: false, failure.Message);
        }
    }

    private static long Version(string etag) =>
        long.TryParse(etag, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw new EtagException(invalid: true, $"strconv.Atoi: parsing \"{etag}\": invalid syntax");
}
