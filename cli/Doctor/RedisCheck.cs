using StackExchange.Redis;

namespace Shop.Doctor;

/// <summary>Checks that Redis answers, is new enough and persists its data.</summary>
internal static class RedisCheck
{
    private const int TimeoutMilliseconds = 3000;

    /// <summary>The first version with streams.</summary>
    private static readonly Version VersionMin = new(5, 0);

    public static async Task<IReadOnlyList<CheckResult>> RunAsync(RedisEndpoint endpoint)
    {
        var subject = $"Redis {endpoint.Address}";
        try
        {
            var options = new ConfigurationOptions
            {
                EndPoints = { endpoint.Address },
                User = endpoint.User.Length > 0 ? endpoint.User : null, Password = endpoint.Password, Ssl = endpoint.Tls, AllowAdmin = true,
                ConnectTimeout = TimeoutMilliseconds, SyncTimeout = TimeoutMilliseconds, ConnectRetry = 1, AbortOnConnectFail = true,
            };
            using var redis = await ConnectionMultiplexer.ConnectAsync(options);
            var server = redis.GetServer(redis.GetEndPoints()[0]);
            // There is a line for each loaded module, all of one name.
            var info = (await server.InfoAsync()).SelectMany(section => section).DistinctBy(line => line.Key).ToDictionary(line => line.Key, line => line.Value);
            var offset = await server.TimeAsync() - TimeProvider.System.GetUtcNow().UtcDateTime;
            return [.. Evaluate(subject, info, await GetSaveAsync(server)), ClockCheck.Evaluate(subject, offset)];
        }
        catch (RedisServerException refused) when (refused.Message.StartsWith("NOAUTH", StringComparison.Ordinal)
            || refused.Message.StartsWith("NOPERM", StringComparison.Ordinal))
        {
            return [Refuses(refused.Message)];
        }
        catch (RedisConnectionException refused) when (refused.FailureType == ConnectionFailureType.AuthenticationFailure)
        {
            return [Refuses("it asks for another password, or for one.")];
        }
        catch (ArgumentException)
        {
            return [CheckResult.Problem(subject, "reach", "It is no address: host:port, such as localhost:6379.", "Correct redisHost in components/.")];
        }
        catch (Exception fault) when (fault is RedisException or TimeoutException)
        {
            return [CheckResult.Problem(subject, "reach", "It does not answer.",
                "Start it (redis-server --appendonly yes; ./run.sh does so by itself), or correct redisHost in components/.")];
        }

        CheckResult Refuses(string why) => CheckResult.Warning(subject, "reach", $"It refuses INFO: {why}",
            "Put the password into components/, or check it with redis-cli info");
    }

    /// <param name="info">The fields of INFO.</param>
    /// <param name="save">CONFIG GET save: when it writes snapshots. Empty: never. Null: unknown.</param>
    public static IEnumerable<CheckResult> Evaluate(string subject, IReadOnlyDictionary<string, string> info, string? save)
    {
        string Get(string name) => info.GetValueOrDefault(name, "");

        yield return Version.TryParse(Get("redis_version"), out var version) && version < VersionMin
            ? CheckResult.Problem(subject, "version", $"{version}", "Use Redis 5 or newer: older ones have no streams.")
            : CheckResult.Ok(subject, "version", Get("redis_version"));
        yield return CheckPersistence(subject, Get, save);
        if (Get("maxmemory") is not ("" or "0") && Get("maxmemory_policy") is not ("noeviction" or ""))
        {
            yield return CheckResult.Problem(subject, "memory",
                $"When full it drops keys ({Get("maxmemory_policy")}): orders, stock and money among them.",
                "redis-cli config set maxmemory-policy noeviction");
        }
        if (Get("role") is not ("master" or ""))
        {
            yield return CheckResult.Problem(subject, "role", $"It is a {Get("role")}, which refuses writes.",
                "Let redisHost in components/ name the master.");
        }
    }

    private static CheckResult CheckPersistence(string subject, Func<string, string> get, string? save)
    {
        const string Advice = "redis-cli config set appendonly yes, and appendonly yes in redis.conf";
        if (get("aof_enabled") == "1")
        {
            return get("aof_last_write_status") is "ok" or ""
                ? CheckResult.Ok(subject, "persistence", "append-only file")
                : CheckResult.Problem(subject, "persistence", $"It could not write its append-only file: {get("aof_last_write_status")}",
                    "See its log; most often the disk is full.");
        }
        if (get("rdb_last_bgsave_status") is not ("ok" or ""))
        {
            return CheckResult.Problem(subject, "persistence", "It could not write its last snapshot, and may refuse writes.",
                "See its log; most often the disk is full.");
        }
        return save switch
        {
            null => CheckResult.Warning(subject, "persistence", "no append-only file; whether it writes snapshots is unknown", Advice),
            "" => CheckResult.Problem(subject, "persistence", "none: all orders are lost when it stops", Advice),
            _ => CheckResult.Warning(subject, "persistence", $"snapshots only ({save}): what was written after the last one is lost in a crash", Advice),
        };
    }

    private static async Task<string?> GetSaveAsync(IServer server)
    {
        try
        {
            return (await server.ConfigGetAsync("save")).FirstOrDefault().Value ?? "";
        }
        catch (RedisServerException)
        {
            // Managed servers forbid CONFIG.
            return null;
        }
    }
}
