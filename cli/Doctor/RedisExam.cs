using StackExchange.Redis;

namespace Shop.Doctor;

/// <summary>Whether Redis is there, new enough, and keeps what it is given.</summary>
internal static class RedisExam
{
    private const int PatienceMilliseconds = 3000;

    /// <summary>Streams with consumer groups.</summary>
    private static readonly Version OldestPossible = new(5, 0);

    public static async Task<IReadOnlyList<Diagnosis>> ExamineAsync(RedisPlace place)
    {
        var of = $"Redis {place.Address}";
        var options = new ConfigurationOptions
        {
            EndPoints = { place.Address }, User = place.User.Length > 0 ? place.User : null, Password = place.Password, Ssl = place.Tls, AllowAdmin = true,
            ConnectTimeout = PatienceMilliseconds, SyncTimeout = PatienceMilliseconds, ConnectRetry = 1, AbortOnConnectFail = true,
        };
        try
        {
            using var redis = await ConnectionMultiplexer.ConnectAsync(options);
            var server = redis.GetServer(redis.GetEndPoints()[0]);
            var info = (await server.InfoAsync()).SelectMany(section => section).ToDictionary(line => line.Key, line => line.Value);
            var ahead = await server.TimeAsync() - DateTime.UtcNow;
            return [.. Of(of, info, await SaveOf(server)), ClockExam.Of(of, ahead)];
        }
        catch (RedisServerException refused) when (refused.Message.StartsWith("NOAUTH", StringComparison.Ordinal)
            || refused.Message.StartsWith("NOPERM", StringComparison.Ordinal))
        {
            return [Diagnosis.Warning(of, "reach", $"It does not tell: {refused.Message}",
                "Put the password into components/, or look yourself: redis-cli info")];
        }
        catch (Exception fault) when (fault is RedisException or TimeoutException)
        {
            return [Diagnosis.Problem(of, "reach", "It does not answer.",
                "Start it (redis-server --appendonly yes; ./run.sh does so by itself), or correct redisHost in components/.")];
        }
    }

    /// <param name="info">What INFO says.</param>
    /// <param name="save">When it writes snapshots, as CONFIG GET save says. Empty: never. Null: it does not tell.</param>
    public static IEnumerable<Diagnosis> Of(string of, IReadOnlyDictionary<string, string> info, string? save)
    {
        string Told(string name) => info.GetValueOrDefault(name, "");

        yield return Version.TryParse(Told("redis_version"), out var version) && version < OldestPossible
            ? Diagnosis.Problem(of, "version", $"{version}", "Use Redis 5 or newer: older ones have no streams.")
            : Diagnosis.Ok(of, "version", Told("redis_version"));
        yield return PersistenceOf(of, Told, save);
        if (Told("maxmemory") is not ("" or "0") && Told("maxmemory_policy") is not ("noeviction" or ""))
        {
            yield return Diagnosis.Problem(of, "memory",
                $"When full it drops keys ({Told("maxmemory_policy")}): orders, stock and money among them.",
                "redis-cli config set maxmemory-policy noeviction");
        }
        if (Told("role") is not ("master" or ""))
        {
            yield return Diagnosis.Problem(of, "role", $"It is a {Told("role")}, which refuses writes.",
                "Let redisHost in components/ name the master.");
        }
    }

    private static Diagnosis PersistenceOf(string of, Func<string, string> told, string? save)
    {
        const string advice = "redis-cli config set appendonly yes, and appendonly yes in redis.conf";
        if (told("aof_enabled") == "1")
        {
            return told("aof_last_write_status") is "ok" or ""
                ? Diagnosis.Ok(of, "persistence", "append-only file")
                : Diagnosis.Problem(of, "persistence", $"It could not write its append-only file: {told("aof_last_write_status")}",
                    "See its log; most often the disk is full.");
        }
        if (told("rdb_last_bgsave_status") is not ("ok" or ""))
        {
            return Diagnosis.Problem(of, "persistence", "It could not write its last snapshot, and may refuse writes.",
                "See its log; most often the disk is full.");
        }
        return save switch
        {
            null => Diagnosis.Warning(of, "persistence", "no append-only file; it does not tell whether it writes snapshots", advice),
            "" => Diagnosis.Problem(of, "persistence", "none: every order is gone when it ends", advice),
            _ => Diagnosis.Warning(of, "persistence", $"snapshots only ({save}): what came after the last is lost when it dies", advice),
        };
    }

    private static async Task<string?> SaveOf(IServer server)
    {
        try
        {
            return (await server.ConfigGetAsync("save")).FirstOrDefault().Value ?? "";
        }
        catch (RedisServerException)
        {
            // Managed ones forbid it.
            return null;
        }
    }
}
